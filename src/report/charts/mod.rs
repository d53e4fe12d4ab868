//! Charts as inline SVG. Marks have classes instead of colors, so that the style sheet of the page
//! themes them, and titles that browsers show on hover.
//!
//! The crate kuva 0.6 draws all these kinds of charts, but its SVG has a fixed size (no `viewBox`,
//! so that it does not fit a phone), no role, title or description, and the colors of one theme in
//! every element. It also adds 74,000 lines to compile.

mod mirrored_histogram;
mod scale;

use maud::{Markup, html};
pub(super) use mirrored_histogram::{MirroredHistogram, bar_index};
use pql_stats::intervals::Interval;
pub(super) use scale::{AxisScale, Transform};

use crate::report::format::{number, percent, shorten_distinct, shorten_middle, with_minus};

/// Width of all charts, in units of the drawing: about one CSS pixel on a phone, and in three
/// columns on a large screen.
pub(super) const WIDTH: f64 = 360.0;
/// Height of most charts.
pub(super) const HEIGHT: f64 = 270.0;
/// Width of a character in the label of a tick.
const CHARACTER: f64 = 7.4;
/// Mean width of a character in a name.
const NAME_CHARACTER: f64 = 7.0;
/// Characters of a name above a row.
const HEADING_CHARACTERS: usize = 54;
/// Most lines of a label.
const LABEL_LINES: usize = 5;
/// Distance of two lines of names.
pub(super) const NAME_HEIGHT: f64 = 13.0;
/// Width of the column of values to the left of an axis.
const VALUE_WIDTH: f64 = 46.0;
/// Height of ticks and label below an axis.
pub(super) const FOOT: f64 = 42.0;
/// Most items labeled on an axis.
const NAMED_ITEMS: usize = 5;
/// Smallest distance of ticks on a horizontal and a vertical axis, as a share of the axis.
const TICK_GAP: [f64; 2] = [0.14, 0.12];

/// An axis.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    /// The label; may be empty.
    pub(super) label: String,
    pub(super) scale: AxisScale,
    /// Values and labels of the ticks.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// Returns an axis with ticks at round values.
    pub(super) fn new(
        label: &str,
        scale: AxisScale,
        format: impl Fn(f64) -> String,
        vertical: bool,
    ) -> Self {
        let ticks = scale.ticks(TICK_GAP[usize::from(vertical)]);
        Self {
            label: label.to_owned(),
            scale,
            ticks: ticks.into_iter().map(|tick| (tick, format(tick))).collect(),
        }
    }

    /// Returns an axis of shares from 0 to 1.
    pub(super) fn shares(label: &str, vertical: bool) -> Self {
        Self::new(label, AxisScale::new(Transform::Linear, 0.0, 1.0), percent, vertical)
    }

    /// Returns an axis of items side by side, some of them labeled.
    pub(super) fn items(label: &str, names: &[String]) -> Self {
        let every = names.len().div_ceil(NAMED_ITEMS);
        let ticks = names
            .iter()
            .enumerate()
            .step_by(every)
            .map(|(index, name)| (number(index), name.clone()))
            .collect();
        Self {
            label: label.to_owned(),
            scale: AxisScale::new(Transform::Linear, -0.5, number(names.len()) - 0.5),
            ticks,
        }
    }

    /// Returns an axis without label and ticks.
    pub(super) fn blank(scale: AxisScale) -> Self {
        Self { label: String::new(), scale, ticks: Vec::new() }
    }

    /// Returns a vertical axis of rows, the first at the top, without ticks.
    pub(super) fn rows(count: usize) -> Self {
        Self::blank(AxisScale::new(Transform::Linear, 0.5 - number(count), 0.5))
    }
}

/// The rectangle between the axes, in units of the drawing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

impl Area {
    /// Returns the area of a drawing without the margins for the axes.
    pub(super) fn with_height(height: f64) -> Self {
        Self { left: 48.0, right: WIDTH - 19.0, top: 26.0, bottom: height - FOOT }
    }

    /// Returns the area of a drawing that also has room for the label of a vertical line.
    pub(super) fn below_label(height: f64) -> Self {
        Self { top: 42.0, ..Self::with_height(height) }
    }
}

/// Marks between two axes.
#[derive(Debug)]
pub(super) struct Chart {
    area: Area,
    x: AxisScale,
    y: AxisScale,
    marks: Vec<Markup>,
}

impl Chart {
    /// Draws the axes.
    pub(super) fn new(area: Area, x: &Axis, y: &Axis) -> Self {
        let mut chart = Self { area, x: x.scale, y: y.scale, marks: Vec::new() };
        let Area { left, right, top, bottom } = area;
        for (tick, label) in &y.ticks {
            let position = chart.pixel_y(*tick);
            chart.path("grid", &segment([left, position], [right, position]));
            chart.text([left - 5.0, position + 4.0], "tick end", label);
        }
        for (tick, label) in &x.ticks {
            let position = chart.pixel_x(*tick);
            chart.path("grid", &segment([position, top], [position, bottom]));
            chart.text([clamp_label(position, label), bottom + 17.0], "tick middle", label);
        }
        if !y.label.is_empty() {
            // At the top of the drawing, above the labels of lines.
            chart.text([4.0, 14.0], "axis", &y.label);
        }
        if !x.label.is_empty() {
            let middle = clamp_label(f64::midpoint(left, right), &x.label);
            chart.text([middle, bottom + 34.0], "axis middle", &x.label);
        }
        chart
    }

    fn pixel_x(&self, x: f64) -> f64 {
        self.area.left + self.x.position(x) * (self.area.right - self.area.left)
    }

    fn pixel_y(&self, y: f64) -> f64 {
        self.area.bottom - self.y.position(y) * (self.area.bottom - self.area.top)
    }

    fn path(&mut self, class: &str, d: &str) {
        self.marks.push(html! { path class=(class) d=(d) {} });
    }

    /// Writes a text at a position of the drawing.
    fn text(&mut self, [x, y]: [f64; 2], class: &str, text: &str) {
        self.marks.push(html! { text class=(class) x=(rounded(x)) y=(rounded(y)) { (text) } });
    }

    /// Returns the path through points.
    fn path_through(&self, points: impl IntoIterator<Item = (f64, f64)>) -> String {
        polyline(points.into_iter().map(|(x, y)| [self.pixel_x(x), self.pixel_y(y)]))
    }

    /// Draws a line through points.
    pub(super) fn line(&mut self, points: &[(f64, f64)], class: &str) {
        self.path(&format!("line {class}"), &self.path_through(points.iter().copied()));
    }

    /// Fills the area between two lines over the same x: (x, low, high).
    pub(super) fn band(&mut self, points: &[(f64, f64, f64)], class: &str) {
        if points.is_empty() {
            return;
        }
        let low = points.iter().rev().map(|(x, low, _)| (*x, *low));
        let edge = self.path_through(points.iter().map(|(x, _, high)| (*x, *high)).chain(low));
        self.path(&format!("band {class}"), &(edge + "Z"));
    }

    /// Draws a point.
    pub(super) fn dot(&mut self, (x, y): (f64, f64), class: &str, title: &str) {
        let [cx, cy] = [self.pixel_x(x), self.pixel_y(y)].map(rounded);
        self.marks.push(
            html! { circle class={ "dot " (class) } cx=(cx) cy=(cy) r="4" { title { (title) } } },
        );
    }

    /// Draws a point over its interval in y, if there is one.
    pub(super) fn estimate(
        &mut self,
        (x, y): (f64, f64),
        interval: Option<Interval>,
        class: &str,
        title: &str,
    ) {
        if let Some(Interval { low, high }) = interval {
            self.stroke((x, low), (x, high), class);
        }
        self.dot((x, y), class, title);
    }

    /// Draws points that are visible only on hover.
    pub(super) fn hover_dots(&mut self, points: &[((f64, f64), String)]) {
        points.iter().for_each(|(point, title)| self.dot(*point, "hover", title));
    }

    /// Draws a rectangle between two values of each axis.
    pub(super) fn bar(
        &mut self,
        [x1, x2]: [f64; 2],
        [y1, y2]: [f64; 2],
        (class, title): (&str, &str),
    ) {
        let ([left, right], [top, bottom]) =
            ([x1, x2].map(|x| self.pixel_x(x)), [y1, y2].map(|y| self.pixel_y(y)));
        let [x, y, width, height] =
            [left.min(right), top.min(bottom), (right - left).abs(), (bottom - top).abs()]
                .map(rounded);
        self.marks.push(html! { rect class={ "bar " (class) } x=(x) y=(y) width=(width) height=(height) { title { (title) } } });
    }

    /// Draws a line between two points, such as an interval.
    pub(super) fn stroke(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        self.path(&format!("stroke {class}"), &self.path_through([from, to]));
    }

    /// Draws a line at an x from top to bottom, with a label above the area.
    pub(super) fn vertical_line(&mut self, x: f64, label: &str) {
        let position = self.pixel_x(x);
        let Area { top, bottom, .. } = self.area;
        self.path("cut", &segment([position, top - 3.0], [position, bottom]));
        self.text([clamp_label(position, label), top - 8.0], "cut-label middle", label);
    }

    /// Writes the ticks of the vertical axis to the right of the area.
    pub(super) fn right_ticks(&mut self, axis: &Axis) {
        let Area { left, right, .. } = self.area;
        for (tick, label) in &axis.ticks {
            let position = self.pixel_y(*tick);
            self.path("grid", &segment([left, position], [right, position]));
            self.text([right + 5.0, position + 4.0], "tick", label);
        }
        self.text([4.0, 14.0], "axis", &axis.label);
    }

    /// Writes the names of curves to the left of the area, each connected with the start of its
    /// curve and none above another.
    ///
    /// # Arguments
    /// * `curves` – y at which a curve starts, and its name
    pub(super) fn curve_names(&mut self, curves: &[(f64, &str)]) {
        let mut names: Vec<(f64, &str)> =
            curves.iter().map(|(y, name)| (self.pixel_y(*y), *name)).collect();
        names.sort_by(|a, b| a.0.total_cmp(&b.0));
        let starts: Vec<f64> = names.iter().map(|(y, _)| *y).collect();
        let positions = spread(&starts, NAME_HEIGHT, self.area.bottom);
        let left = self.area.left;
        for (start, position) in starts.iter().zip(&positions) {
            self.path("stroke thin", &segment([left - 14.0, *position], [left - 1.0, *start]));
        }
        let names = names.into_iter().zip(positions).map(|((_, name), y)| (y + 4.0, name));
        self.names(left - 16.0, names.collect());
    }

    /// Draws a line at a y from left to right.
    pub(super) fn horizontal_line(&mut self, y: f64, class: &str) {
        let position = self.pixel_y(y);
        self.path(class, &segment([self.area.left, position], [self.area.right, position]));
    }

    /// Writes the names of rows to the left of the axis, the first at the top, shortened if they do
    /// not fit.
    pub(super) fn row_names<S: AsRef<str>>(&mut self, names: &[S]) {
        let position = |row: usize| self.pixel_y(-number(row)) + 4.0;
        let names = names.iter().enumerate().map(|(row, name)| (position(row), name.as_ref()));
        self.names(self.area.left - 6.0, names.collect());
    }

    /// Writes names between the left edge of the drawing and `right`, shortened if they do not fit:
    /// different names stay different.
    ///
    /// # Arguments
    /// * `names` – y of each name, and the name
    fn names(&mut self, right: f64, names: Vec<(f64, &str)>) {
        let (y, names): (Vec<f64>, Vec<String>) =
            names.into_iter().map(|(y, name)| (y, with_minus(name))).unzip();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        let shown = shorten_distinct(&all, characters(right - 2.0).max(2));
        for ((y, name), shown) in y.into_iter().zip(&names).zip(shown) {
            let [x, y] = [right, y].map(rounded);
            self.marks.push(html! {
                text class="name end" x=(x) y=(y) { (shown) @if shown != *name { title { (name) } } }
            });
        }
    }

    /// Writes a label of at most five lines and a value to the left of a row, in two columns.
    pub(super) fn row_label(&mut self, row: f64, label: &str, value: &str) {
        let middle = self.pixel_y(-row) + 4.0;
        self.text([self.area.left - 8.0, middle], "name end", value);
        let lines = wrapped(label, characters(self.area.left - 8.0 - VALUE_WIDTH));
        let top = middle - 0.5 * NAME_HEIGHT * (number(lines.len()) - 1.0);
        for (line, text) in lines.iter().enumerate() {
            self.text([2.0, top + NAME_HEIGHT * number(line)], "name", text);
        }
    }

    /// Writes names above rows, from the left edge of the drawing, shortened if they do not fit:
    /// different names stay different.
    ///
    /// # Arguments
    /// * `headings` – row of each name, and the name
    pub(super) fn row_headings(&mut self, headings: &[(f64, &str)]) {
        let names: Vec<&str> = headings.iter().map(|(_, name)| *name).collect();
        let shown = shorten_distinct(&names, HEADING_CHARACTERS);
        for ((row, name), shown) in headings.iter().zip(shown) {
            let [x, y] = [2.0, self.pixel_y(-row) + 4.0].map(rounded);
            self.marks.push(html! {
                text class="name halo" x=(x) y=(y) { (shown) @if shown != *name { title { (name) } } }
            });
        }
    }

    /// Returns a drawing of this chart alone.
    pub(super) fn drawing(self, height: f64) -> Drawing {
        Drawing { charts: vec![self], height }
    }
}

/// Charts, each in its own area.
#[derive(Debug)]
pub(super) struct Drawing {
    pub(super) charts: Vec<Chart>,
    pub(super) height: f64,
}

impl Drawing {
    /// Returns the drawing as SVG with a title and an alternative text.
    pub(super) fn svg(&self, id: &str, title: &str, alt_text: &str) -> Markup {
        let [title_id, alt_text_id] = ["title", "desc"].map(|part| format!("{id}-{part}"));
        let view_box = format!("0 0 {WIDTH} {}", rounded(self.height));
        html! {
            svg class="chart" id=(id) viewBox=(view_box) role="img" aria-labelledby=(title_id) aria-describedby=(alt_text_id) {
                title id=(title_id) { (title) }
                desc id=(alt_text_id) { (alt_text) }
                @for mark in self.charts.iter().flat_map(|chart| &chart.marks) { (mark) }
            }
        }
    }
}

/// Returns the number of characters of a name that fit into a width.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "some twenty characters"
)]
fn characters(width: f64) -> usize {
    (width.max(0.0) / NAME_CHARACTER) as usize
}

/// Returns the number of lines of a label to the left of an axis at `left`.
pub(super) fn label_lines(label: &str, left: f64) -> usize {
    wrapped(label, characters(left - 8.0 - VALUE_WIDTH)).len()
}

/// Breaks a text into at most five lines; a text that is too long is shortened in its middle.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest: Vec<char> = text.chars().collect();
    while rest.len() > width && lines.len() + 1 < LABEL_LINES {
        // A word that would leave half of the line empty is also broken.
        let space = (width / 2..=width).rev().find(|place| rest[*place] == ' ');
        let tail = rest.split_off(space.unwrap_or(width));
        lines.push(String::from_iter(&rest));
        rest = tail.into_iter().skip(usize::from(space.is_some())).collect();
    }
    lines.push(shorten_middle(&String::from_iter(&rest), width));
    lines
}

/// Moves sorted positions apart to a minimum distance; the last is at most `end`.
fn spread(positions: &[f64], gap: f64, end: f64) -> Vec<f64> {
    let mut spread: Vec<f64> = Vec::with_capacity(positions.len());
    for position in positions {
        spread.push(spread.last().map_or(*position, |last| position.max(last + gap)));
    }
    let mut end = end;
    for position in spread.iter_mut().rev() {
        *position = position.min(end);
        end = *position - gap;
    }
    spread
}

/// Formats a coordinate.
fn rounded(x: f64) -> String {
    let text = format!("{x:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Returns the path through points of the drawing.
fn polyline(places: impl IntoIterator<Item = [f64; 2]>) -> String {
    let places: Vec<String> =
        places.into_iter().map(|position| position.map(rounded).join(" ")).collect();
    if places.is_empty() { String::new() } else { format!("M{}", places.join("L")) }
}

/// Returns the path between two points of the drawing.
fn segment(from: [f64; 2], to: [f64; 2]) -> String {
    polyline([from, to])
}

/// Returns the x nearest to a position at which a centered label stays inside the drawing.
fn clamp_label(position: f64, label: &str) -> f64 {
    // A percent sign is wider than a digit.
    let width = label.chars().map(|c| if c == '%' { 1.6 } else { 1.0 }).sum::<f64>();
    let half = CHARACTER * width / 2.0;
    position.min(WIDTH - half - 1.0).max(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_break_into_lines() {
        assert_eq!(wrapped("10 logins", 20), ["10 logins"]);
        assert_eq!(
            wrapped("growth in logins in the last 28 days: −0.69", 25),
            ["growth in logins in the", "last 28 days: −0.69"]
        );
        assert_eq!(
            wrapped("share of events by the busiest user in the last 28 days: 0.5", 25),
            ["share of events by the", "busiest user in the last", "28 days: 0.5"]
        );
        assert_eq!(wrapped("a_long_name_without_spaces", 20), ["a_long_name_without_", "spaces"]);
    }

    #[test]
    fn names_of_curves_keep_their_distance() {
        assert_eq!(spread(&[10.0, 11.0, 50.0], 13.0, 100.0), [10.0, 23.0, 50.0]);
        assert_eq!(spread(&[90.0, 95.0, 96.0], 13.0, 100.0), [74.0, 87.0, 100.0]);
    }
}
