//! Charts as inline SVG: classes instead of colours, so that the page's style sheet themes them, and a title on what can be pointed at.
//!
//! A module of its own, since kuva 0.6, which draws all these kinds, gives SVG of a fixed size (no `viewBox`: nothing shrinks to a
//! telephone), without role, title and description, with colours of one theme in every element, at the price of 74,000 lines to compile.

mod scale;

use crate::report::html::Html;
use crate::report::words::{clipped, folded, number};
pub(super) use scale::{Scale, Spread};

/// Width of all charts, in units of the drawing: about a CSS pixel on a telephone and in three columns on a desk.
pub(super) const WIDTH: f64 = 360.0;
/// Width of a character of a tick, which has wide ones, and the mean one of a name.
const CHARACTER: f64 = 7.4;
const NAME_CHARACTER: f64 = 6.5;
/// Room for ticks and words below an axis.
pub(super) const FOOT: f64 = 42.0;
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
    /// An axis with ticks at round values.
    pub(super) fn new(label: &str, scale: Scale, of: impl Fn(f64) -> String, vertical: bool) -> Self {
        let ticks = scale.ticks(TICK_GAP[usize::from(vertical)]);
        Self { label: label.to_owned(), scale, ticks: ticks.into_iter().map(|tick| (tick, of(tick))).collect() }
    }

    /// A vertical axis of rows, the first at the top, without ticks.
    pub(super) fn rows(count: usize) -> Self {
        let bottom = number(count) - 0.5;
        Self { label: String::new(), scale: Scale::new(Spread::Linear, -bottom, 0.5), ticks: Vec::new() }
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
    /// All of a drawing of some height, but for room for axes.
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
    marks: Html,
}

/// A number of the drawing.
fn at(x: f64) -> String {
    let text = format!("{x:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

impl Chart {
    /// Draw the axes.
    pub(super) fn new(area: Area, x: &Axis, y: &Axis) -> Self {
        let mut chart = Self { area, x: x.scale, y: y.scale, marks: Html::default() };
        let Area { left, right, top, bottom } = area;
        for (tick, label) in &y.ticks {
            let place = chart.down(*tick);
            chart.rule([left, place, right, place], "grid");
            chart.label([left - 5.0, place + 4.0], "tick end", label);
        }
        for (tick, label) in &x.ticks {
            let place = chart.across(*tick);
            chart.rule([place, top, place, bottom], "grid");
            // A label at the end of the axis stays inside.
            let half = CHARACTER * number(label.chars().count()) / 2.0;
            chart.label([place.min(WIDTH - half - 1.0).max(half), bottom + 17.0], "tick middle", label);
        }
        if !y.label.is_empty() {
            chart.label([4.0, top - 12.0], "axis", &y.label);
        }
        if !x.label.is_empty() {
            chart.label([f64::midpoint(left, right), bottom + 34.0], "axis middle", &x.label);
        }
        chart
    }

    fn across(&self, x: f64) -> f64 {
        self.area.left + self.x.place(x) * (self.area.right - self.area.left)
    }

    fn down(&self, y: f64) -> f64 {
        self.area.bottom - self.y.place(y) * (self.area.bottom - self.area.top)
    }

    fn rule(&mut self, [x1, y1, x2, y2]: [f64; 4], class: &str) {
        self.marks.empty("path", &[("class", class), ("d", &format!("M{} {}L{} {}", at(x1), at(y1), at(x2), at(y2)))]);
    }

    /// Write a text at a place of the drawing.
    fn label(&mut self, [x, y]: [f64; 2], class: &str, text: &str) {
        self.marks.open("text", &[("class", class), ("x", &at(x)), ("y", &at(y))]).text(text).close("text");
    }

    fn path(&self, points: &[(f64, f64)]) -> String {
        let mut d = String::new();
        for (place, (x, y)) in points.iter().enumerate() {
            d += &format!("{}{} {}", if place == 0 { 'M' } else { 'L' }, at(self.across(*x)), at(self.down(*y)));
        }
        d
    }

    /// Draw a line through points.
    pub(super) fn line(&mut self, points: &[(f64, f64)], class: &str) {
        let d = self.path(points);
        self.marks.empty("path", &[("class", &format!("line {class}")), ("d", &d)]);
    }

    /// Fill what lies between two lines over the same x: (x, low, high).
    pub(super) fn band(&mut self, points: &[(f64, f64, f64)], class: &str) {
        let low = points.iter().rev().map(|(x, low, _)| (*x, *low));
        let edge: Vec<(f64, f64)> = points.iter().map(|(x, _, high)| (*x, *high)).chain(low).collect();
        let d = self.path(&edge) + "Z";
        self.marks.empty("path", &[("class", &format!("band {class}")), ("d", &d)]);
    }

    /// Draw a point.
    pub(super) fn dot(&mut self, (x, y): (f64, f64), class: &str, title: &str) {
        let (cx, cy) = (at(self.across(x)), at(self.down(y)));
        let class = format!("dot {class}");
        self.marks.open("circle", &[("class", &class), ("cx", &cx), ("cy", &cy), ("r", "4")]).element("title", title).close("circle");
    }

    /// Draw points that are seen only when pointed at.
    pub(super) fn hovered(&mut self, points: &[((f64, f64), String)]) {
        points.iter().for_each(|(point, title)| self.dot(*point, "hover", title));
    }

    /// Draw a rectangle between two values of each axis.
    pub(super) fn bar(&mut self, [x1, x2]: [f64; 2], [y1, y2]: [f64; 2], (class, title): (&str, &str)) {
        let [a, b] = [x1, x2].map(|x| self.across(x));
        let [c, d] = [y1, y2].map(|y| self.down(y));
        let corner = [at(a.min(b)), at(c.min(d)), at((b - a).abs()), at((d - c).abs())];
        let attributes = [
            ("class", format!("bar {class}")),
            ("x", corner[0].clone()),
            ("y", corner[1].clone()),
            ("width", corner[2].clone()),
            ("height", corner[3].clone()),
        ];
        let attributes: Vec<(&'static str, &str)> = attributes.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.marks.open("rect", &attributes).element("title", title).close("rect");
    }

    /// Draw a line between two points, such as an interval.
    pub(super) fn stroke(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let ends = [self.across(from.0), self.down(from.1), self.across(to.0), self.down(to.1)];
        self.rule(ends, &format!("stroke {class}"));
    }

    /// Draw a line at an x from top to bottom, with words at its top on the side where there is room.
    pub(super) fn upright(&mut self, x: f64, words: &str) {
        let place = self.across(x);
        let Area { left, right, top, bottom } = self.area;
        self.rule([place, top - 3.0, place, bottom], "cut");
        let right_half = place > f64::midpoint(left, right);
        let (class, shift) = if right_half { ("cut-label end", -4.0) } else { ("cut-label", 4.0) };
        self.label([place + shift, top + 8.0], class, words);
    }

    /// Draw a line at an x from top to bottom, with words above it.
    pub(super) fn upright_from(&mut self, x: f64, words: &str) {
        let place = self.across(x);
        let Area { top, bottom, .. } = self.area;
        self.rule([place, top - 3.0, place, bottom], "cut");
        let half = CHARACTER * number(words.chars().count()) / 2.0;
        self.label([place.min(WIDTH - half - 1.0).max(half), top - 8.0], "cut-label middle", words);
    }

    /// Write words to the right of a point, a little above it.
    pub(super) fn note(&mut self, (x, y): (f64, f64), words: &str) {
        let place = [self.across(x) + 3.0, (self.down(y) - 3.0).max(self.area.top + 9.0)];
        self.label(place, "halo", &folded(words, 26));
    }

    /// Draw a line at a y from left to right.
    pub(super) fn level(&mut self, y: f64, class: &str) {
        let place = self.down(y);
        self.rule([self.area.left, place, self.area.right, place], class);
    }

    /// Write the name of a row to the left of the axis, cut where there is no room.
    pub(super) fn row_name(&mut self, row: f64, name: &str) {
        let place = self.down(-row) + 4.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some twenty characters")]
        let most = ((self.area.left - 8.0) / NAME_CHARACTER) as usize;
        let shown = clipped(name, most.max(2));
        let (x, y) = (at(self.area.left - 6.0), at(place));
        self.marks.open("text", &[("class", "name end"), ("x", &x), ("y", &y)]).text(&shown);
        if shown != name {
            self.marks.element("title", name);
        }
        self.marks.close("text");
    }

    /// Write a name above a row, from the left edge of the drawing.
    pub(super) fn row_heading(&mut self, row: f64, name: &str) {
        let place = self.down(-row) + 4.0;
        self.label([2.0, place], "name halo", &clipped(name, 54));
    }

    /// The drawing of one chart.
    pub(super) fn drawing(self, height: f64, about: &About<'_>) -> Html {
        drawing(&[self], height, about)
    }
}

/// What stands for a chart where it is not seen.
#[derive(Debug)]
pub(super) struct About<'a> {
    /// Name of the chart in the page.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    /// What is seen.
    pub(super) description: &'a str,
}

/// The drawing of charts that lie in their areas.
pub(super) fn drawing(charts: &[Chart], height: f64, about: &About<'_>) -> Html {
    let mut html = Html::default();
    let [title, description] = ["title", "desc"].map(|part| format!("{}-{part}", about.id));
    let view = format!("0 0 {WIDTH} {}", at(height));
    let told = [("role", "img"), ("aria-labelledby", title.as_str()), ("aria-describedby", description.as_str())];
    html.open("svg", &[&[("class", "chart"), ("id", about.id), ("viewBox", view.as_str())][..], &told].concat());
    html.open("title", &[("id", &title)]).text(about.title).close("title");
    html.open("desc", &[("id", &description)]).text(about.description).close("desc");
    for chart in charts {
        html.put(&chart.marks);
    }
    html.close("svg");
    html
}
