//! Charts as inline SVG: classes instead of colours, so that the page's style sheet themes them,
//! and a title on what can be pointed at.
//!
//! A module of its own, since kuva 0.6, which draws all these kinds, gives SVG of a fixed size (no
//! `viewBox`: nothing shrinks to a telephone), without role, title and description, with colours of
//! one theme in every element, at the price of 74,000 lines to compile.

mod mirrored_histogram;
mod scale;

use maud::{Markup, html};
pub(super) use mirrored_histogram::{MirroredHistogram, bar_index};
use pql_stats::intervals::Interval;
pub(super) use scale::{Scale, Spread};

use crate::report::format::{clipped, folded, number, percent};

/// Width of all charts, in units of the drawing: about a CSS pixel on a telephone and in three
/// columns on a desk.
pub(super) const WIDTH: f64 = 360.0;
/// Height of most charts.
pub(super) const HEIGHT: f64 = 270.0;
/// Width of a character of a tick, which has wide ones, and the mean one of a name.
const CHARACTER: f64 = 7.4;
const NAME_CHARACTER: f64 = 6.5;
/// Room for ticks and words below an axis.
pub(super) const FOOT: f64 = 42.0;
/// Items that are named on an axis.
const NAMED_ITEMS: usize = 5;
/// Least distance of ticks, as a share of the axis.
const TICK_GAP: [f64; 2] = [0.14, 0.12];

/// An axis.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    /// What it shows; empty: nothing is said.
    pub(super) label: String,
    pub(super) scale: Scale,
    /// Where there are ticks, and what they say.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// Returns an axis with ticks at round values.
    pub(super) fn new(
        label: &str,
        scale: Scale,
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
        Self::new(label, Scale::new(Spread::Linear, 0.0, 1.0), percent, vertical)
    }

    /// Returns an axis of items side by side, some of which are named.
    pub(super) fn items(label: &str, names: &[String]) -> Self {
        let every = names.len().div_ceil(NAMED_ITEMS);
        let ticks = names
            .iter()
            .enumerate()
            .step_by(every)
            .map(|(at, name)| (number(at), name.clone()))
            .collect();
        Self {
            label: label.to_owned(),
            scale: Scale::new(Spread::Linear, -0.5, number(names.len()) - 0.5),
            ticks,
        }
    }

    /// Returns an axis without label and ticks.
    pub(super) fn blank(scale: Scale) -> Self {
        Self { label: String::new(), scale, ticks: Vec::new() }
    }

    /// Returns a vertical axis of rows, the first at the top, without ticks.
    pub(super) fn rows(count: usize) -> Self {
        Self::blank(Scale::new(Spread::Linear, 0.5 - number(count), 0.5))
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
    /// Returns the whole of a drawing of some height, except the room for axes.
    pub(super) fn of_height(height: f64) -> Self {
        Self { left: 48.0, right: WIDTH - 19.0, top: 26.0, bottom: height - FOOT }
    }
}

/// Marks between two axes.
#[derive(Debug)]
pub(super) struct Chart {
    area: Area,
    x: Scale,
    y: Scale,
    marks: Vec<Markup>,
}

impl Chart {
    /// Draws the axes.
    pub(super) fn new(area: Area, x: &Axis, y: &Axis) -> Self {
        let mut chart = Self { area, x: x.scale, y: y.scale, marks: Vec::new() };
        let Area { left, right, top, bottom } = area;
        for (tick, label) in &y.ticks {
            let place = chart.down(*tick);
            chart.path("grid", &segment([left, place], [right, place]));
            chart.text([left - 5.0, place + 4.0], "tick end", label);
        }
        for (tick, label) in &x.ticks {
            let place = chart.across(*tick);
            chart.path("grid", &segment([place, top], [place, bottom]));
            chart.text([inside(place, label), bottom + 17.0], "tick middle", label);
        }
        if !y.label.is_empty() {
            chart.text([4.0, top - 12.0], "axis", &y.label);
        }
        if !x.label.is_empty() {
            chart.text([f64::midpoint(left, right), bottom + 34.0], "axis middle", &x.label);
        }
        chart
    }

    fn across(&self, x: f64) -> f64 {
        self.area.left + self.x.place(x) * (self.area.right - self.area.left)
    }

    fn down(&self, y: f64) -> f64 {
        self.area.bottom - self.y.place(y) * (self.area.bottom - self.area.top)
    }

    fn path(&mut self, class: &str, d: &str) {
        self.marks.push(html! { path class=(class) d=(d) {} });
    }

    /// Writes a text at a place of the drawing.
    fn text(&mut self, [x, y]: [f64; 2], class: &str, text: &str) {
        self.marks.push(html! { text class=(class) x=(rounded(x)) y=(rounded(y)) { (text) } });
    }

    /// Returns the path through points.
    fn through(&self, points: impl IntoIterator<Item = (f64, f64)>) -> String {
        polyline(points.into_iter().map(|(x, y)| [self.across(x), self.down(y)]))
    }

    /// Draws a line through points.
    pub(super) fn line(&mut self, points: &[(f64, f64)], class: &str) {
        self.path(&format!("line {class}"), &self.through(points.iter().copied()));
    }

    /// Fills the area between two lines over the same x: (x, low, high).
    pub(super) fn band(&mut self, points: &[(f64, f64, f64)], class: &str) {
        if points.is_empty() {
            return;
        }
        let low = points.iter().rev().map(|(x, low, _)| (*x, *low));
        let edge = self.through(points.iter().map(|(x, _, high)| (*x, *high)).chain(low));
        self.path(&format!("band {class}"), &(edge + "Z"));
    }

    /// Draws a point.
    pub(super) fn dot(&mut self, (x, y): (f64, f64), class: &str, title: &str) {
        let [cx, cy] = [self.across(x), self.down(y)].map(rounded);
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

    /// Draws points that are seen only when pointed at.
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
            ([x1, x2].map(|x| self.across(x)), [y1, y2].map(|y| self.down(y)));
        let [x, y, width, height] =
            [left.min(right), top.min(bottom), (right - left).abs(), (bottom - top).abs()]
                .map(rounded);
        self.marks.push(html! { rect class={ "bar " (class) } x=(x) y=(y) width=(width) height=(height) { title { (title) } } });
    }

    /// Draws a line between two points, such as an interval.
    pub(super) fn stroke(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        self.path(&format!("stroke {class}"), &self.through([from, to]));
    }

    /// Draws a line at an x from top to bottom, with a label at its top on the side where there is
    /// room.
    pub(super) fn vertical_line(&mut self, x: f64, label: &str) {
        let place = self.cut(x);
        let right_half = place > f64::midpoint(self.area.left, self.area.right);
        let (class, shift) = if right_half { ("cut-label end", -4.0) } else { ("cut-label", 4.0) };
        self.text([place + shift, self.area.top + 8.0], class, label);
    }

    /// Draws a line at an x from top to bottom, with a label above it.
    pub(super) fn vertical_line_below_label(&mut self, x: f64, label: &str) {
        let place = self.cut(x);
        self.text([inside(place, label), self.area.top - 8.0], "cut-label middle", label);
    }

    /// Draws a line at an x from top to bottom and returns its place.
    fn cut(&mut self, x: f64) -> f64 {
        let place = self.across(x);
        self.path("cut", &segment([place, self.area.top - 3.0], [place, self.area.bottom]));
        place
    }

    /// Writes a text to the right of a point, a little above it.
    pub(super) fn annotate(&mut self, (x, y): (f64, f64), text: &str) {
        let place = [self.across(x) + 3.0, (self.down(y) - 3.0).max(self.area.top + 9.0)];
        self.text(place, "halo", &folded(text, 26));
    }

    /// Draws a line at a y from left to right.
    pub(super) fn horizontal_line(&mut self, y: f64, class: &str) {
        let place = self.down(y);
        self.path(class, &segment([self.area.left, place], [self.area.right, place]));
    }

    /// Writes the name of a row to the left of the axis, cut where there is no room.
    pub(super) fn row_name(&mut self, row: f64, name: &str) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "some twenty characters"
        )]
        let most = ((self.area.left - 8.0) / NAME_CHARACTER) as usize;
        let shown = clipped(name, most.max(2));
        let [x, y] = [self.area.left - 6.0, self.down(-row) + 4.0].map(rounded);
        self.marks.push(html! {
            text class="name end" x=(x) y=(y) { (shown) @if shown != name { title { (name) } } }
        });
    }

    /// Writes a name above a row, from the left edge of the drawing.
    pub(super) fn row_heading(&mut self, row: f64, name: &str) {
        let place = self.down(-row) + 4.0;
        self.text([2.0, place], "name halo", &clipped(name, 54));
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
    /// Returns the drawing as SVG, with a text for where it is not seen.
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

/// Returns a number of the drawing.
fn rounded(x: f64) -> String {
    let text = format!("{x:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Returns the path through places of the drawing.
fn polyline(places: impl IntoIterator<Item = [f64; 2]>) -> String {
    let places: Vec<String> =
        places.into_iter().map(|place| place.map(rounded).join(" ")).collect();
    if places.is_empty() { String::new() } else { format!("M{}", places.join("L")) }
}

/// Returns the path between two places of the drawing.
fn segment(from: [f64; 2], to: [f64; 2]) -> String {
    polyline([from, to])
}

/// Returns the x nearest to a place at which a centered label stays inside of the drawing.
fn inside(place: f64, label: &str) -> f64 {
    let half = CHARACTER * number(label.chars().count()) / 2.0;
    place.min(WIDTH - half - 1.0).max(half)
}
