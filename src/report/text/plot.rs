//! Small plots in plain text that fit the terminal.

use std::env;
use std::io;

use pql_stats::intervals::Interval;
use pql_stats::metrics::{Bin, Decile};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::escape::one_line;
use crate::model::explain::Coefficient;

/// Width if neither `COLUMNS` nor the terminal gives one.
const WIDTH: usize = 80;
/// Narrowest terminal for which plots are drawn.
const MIN_WIDTH: usize = 24;
/// Widest plot: longer rows are hard to follow.
const MAX_WIDTH: usize = 100;
/// Most coefficients shown.
const MAX_COEFFICIENTS: usize = 15;

/// Characters of the plots.
#[derive(Debug, PartialEq, Eq)]
struct Glyphs {
    point: char,
    line: char,
    zero: char,
    /// The zero line on an interval.
    crossed: char,
    expected: char,
    /// Point and expected value in one cell.
    overlap: char,
    /// Fillings of the last character of a bar, from empty to full.
    bar: &'static [char],
    /// End of a shortened name.
    ellipsis: char,
}

const UNICODE: Glyphs = Glyphs {
    point: '●',
    line: '─',
    zero: '│',
    crossed: '┼',
    expected: '◇',
    overlap: '◆',
    bar: &[' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'],
    ellipsis: '…',
};

const ASCII: Glyphs = Glyphs {
    point: 'o',
    line: '-',
    zero: '|',
    crossed: '+',
    expected: 'x',
    overlap: '@',
    bar: &[' ', '#'],
    ellipsis: '~',
};

/// Colors of positive and negative numbers, in addition to their signs.
const POSITIVE: &str = "\u{1b}[36m";
const NEGATIVE: &str = "\u{1b}[33m";
const RESET: &str = "\u{1b}[0m";
/// All sequences that color a plot.
pub(crate) const COLORS: [&str; 3] = [POSITIVE, NEGATIVE, RESET];

/// Draws plots for one width and character set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plotter {
    width: usize,
    glyphs: &'static Glyphs,
    color: bool,
}

/// A line of a plot.
#[derive(Debug, Default)]
struct PlotRow {
    name: String,
    /// The number, written at the end.
    value: String,
    bar: Option<f64>,
    interval: Option<Interval>,
    point: Option<f64>,
    expected: Option<f64>,
    color: Option<&'static str>,
}

/// Maps values to columns of a plot.
#[derive(Debug, Clone, Copy)]
struct TextAxis {
    from: f64,
    to: f64,
    columns: usize,
}

impl TextAxis {
    /// Returns the column of a value; values outside are placed at the edge.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "columns of a terminal"
    )]
    fn column(self, value: f64) -> usize {
        let share = (value - self.from) / (self.to - self.from);
        ((share.clamp(0.0, 1.0) * self.columns as f64) as usize).min(self.columns - 1)
    }
}

impl Plotter {
    /// Returns the plotter for standard output; `None` if it is too narrow.
    ///
    /// # Arguments
    /// * `terminal` – whether standard output is a terminal
    pub(crate) fn for_stdout(terminal: bool) -> Option<Self> {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let requested = variable("COLUMNS").and_then(|columns| columns.parse().ok());
        let measured =
            || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0.into());
        let width =
            requested.or_else(measured).filter(|width| *width > 0).unwrap_or(WIDTH).min(MAX_WIDTH);
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(variable)
            .unwrap_or_default()
            .to_lowercase();
        let unicode = cfg!(windows) || locale.contains("utf-8") || locale.contains("utf8");
        let color = terminal
            && variable("NO_COLOR").is_none()
            && variable("TERM").is_some_and(|name| name != "dumb");
        (width >= MIN_WIDTH).then_some(Self {
            width,
            glyphs: if unicode { &UNICODE } else { &ASCII },
            color,
        })
    }

    /// Draws the largest coefficients with their intervals, without the intercept.
    pub(crate) fn coefficients(&self, coefficients: &[Coefficient]) -> String {
        let mut largest: Vec<&Coefficient> =
            coefficients.iter().filter(|c| !c.measure.is_empty() && c.coef.is_finite()).collect();
        largest.sort_by(|a, b| b.coef.abs().total_cmp(&a.coef.abs()));
        let all = largest.len();
        largest.truncate(MAX_COEFFICIENTS);
        let row = |c: &&Coefficient| PlotRow {
            name: one_line(&c.feature).into_owned(),
            value: format!("{:+.3}", c.coef),
            interval: c.interval,
            point: Some(c.coef),
            color: Some(if c.coef < 0.0 { NEGATIVE } else { POSITIVE }),
            ..PlotRow::default()
        };
        let rows: Vec<PlotRow> = largest.iter().map(row).collect();
        let which = if all > rows.len() {
            format!(" (the {} largest of {all})", rows.len())
        } else {
            String::new()
        };
        let intervals =
            if rows.iter().any(|row| row.interval.is_some()) { ", with 95% CI" } else { "" };
        self.plot(&format!("Coefficients per standard deviation{which}{intervals}"), &rows, false)
    }

    /// Draws the observed conversion rate of each bin with its mean predicted probability.
    pub(crate) fn reliability(&self, bins: &[Bin]) -> String {
        let row = |bin: &Bin| PlotRow {
            name: format!("{:.4}", bin.mean_probability),
            value: format!("{:.4}", bin.observed_rate),
            interval: Some(bin.observed_rate_interval),
            point: Some(bin.observed_rate),
            expected: Some(bin.mean_probability),
            ..PlotRow::default()
        };
        let Glyphs { point, expected, overlap, .. } = self.glyphs;
        let title = format!(
            "Reliability by mean predicted probability: {point} observed rate with 95% CI, {expected} predicted, {overlap} both"
        );
        self.plot(&title, &bins.iter().map(row).collect::<Vec<_>>(), false)
    }

    /// Draws the share of all conversions in the highest scores, by decile; empty without
    /// conversions.
    pub(crate) fn gains(&self, deciles: &[Decile]) -> String {
        #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
        let share =
            |rows: u64| rows as f64 / deciles.iter().map(|decile| decile.rows).sum::<u64>() as f64;
        let mut so_far = 0;
        let mut rows = Vec::new();
        for decile in deciles {
            so_far += decile.rows;
            rows.extend(decile.gain.map(|gain| PlotRow {
                name: format!("top {:.0}%", 100.0 * share(so_far)),
                value: format!("{gain:.4}"),
                bar: Some(gain),
                expected: Some(share(so_far)),
                color: Some(POSITIVE),
                ..PlotRow::default()
            }));
        }
        self.plot(
            &format!(
                "Gains: share of all conversions in the highest scores, {} expected by chance",
                self.glyphs.expected
            ),
            &rows,
            true,
        )
    }

    /// Draws a title, a line for each row, and the ends of the axis; empty without rows.
    ///
    /// # Arguments
    /// * `unit_axis` – whether the axis is from 0 to 1
    fn plot(&self, title: &str, rows: &[PlotRow], unit_axis: bool) -> String {
        let longest = |text: fn(&PlotRow) -> &str| {
            rows.iter().map(|row| text(row).width()).max().unwrap_or(0)
        };
        let (names, values) =
            (longest(|row| &row.name).min(self.width / 3), longest(|row| &row.value));
        // One space before the name, and one on each side of the plot.
        let Some(columns) = self
            .width
            .checked_sub(names + values + 3)
            .filter(|columns| *columns > 0 && !rows.is_empty())
        else {
            return String::new();
        };
        let ends = rows.iter().flat_map(|row| {
            row.interval
                .into_iter()
                .flat_map(|interval| [interval.low, interval.high])
                .chain(row.point)
                .chain(row.expected)
        });
        let (from, to) = ends
            .filter(|end| end.is_finite())
            .fold((0.0_f64, 0.0_f64), |(from, to), end| (from.min(end), to.max(end)));
        let (from, to) =
            if unit_axis { (0.0, 1.0) } else { (from, if to > from { to } else { from + 1.0 }) };
        let axis = TextAxis { from, to, columns };
        let mut lines = self.wrapped(title);
        for row in rows {
            let name = self.shortened(&row.name, names);
            let pad = " ".repeat(names - name.width());
            lines.push(format!(" {name}{pad} {} {:>values$}", self.cells(row, axis), row.value));
        }
        lines.extend(ticks(axis).map(|ticks| format!(" {:names$} {ticks}", "")));
        lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
    }

    /// Draws the cells of a row.
    fn cells(&self, row: &PlotRow, axis: TextAxis) -> String {
        let Glyphs { point, line, zero, crossed, expected, overlap, bar, .. } = self.glyphs;
        let mut cells = vec![(' ', false); axis.columns];
        if let Some(share) = row.bar {
            draw_bar(&mut cells, (share - axis.from) / (axis.to - axis.from), bar);
        }
        if let Some(Interval { low, high }) = row.interval {
            cells[axis.column(low)..=axis.column(high)].fill((*line, false));
        }
        if axis.from < 0.0 {
            let cell = &mut cells[axis.column(0.0)];
            *cell = (if cell.0 == *line { *crossed } else { *zero }, false);
        }
        if let Some(value) = row.point {
            cells[axis.column(value)] = (*point, true);
        }
        if let Some(value) = row.expected {
            let cell = &mut cells[axis.column(value)];
            *cell = (if cell.0 == *point { *overlap } else { *expected }, false);
        }
        let mut text = String::new();
        for run in cells.chunk_by(|a, b| a.1 == b.1) {
            let glyphs: String = run.iter().map(|cell| cell.0).collect();
            match row.color.filter(|_| self.color && run[0].1) {
                Some(color) => text += &format!("{color}{glyphs}{RESET}"),
                None => text += &glyphs,
            }
        }
        text
    }

    /// Shortens a name to a number of columns.
    fn shortened(&self, name: &str, columns: usize) -> String {
        if name.width() <= columns {
            return name.to_owned();
        }
        let mut short = String::new();
        for char in name.chars() {
            if short.width() + char.width().unwrap_or(0) >= columns {
                break;
            }
            short.push(char);
        }
        short.push(self.glyphs.ellipsis);
        short
    }

    /// Breaks a text between words into lines that fit the width.
    fn wrapped(&self, text: &str) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split(' ') {
            match lines.last_mut().filter(|line| line.width() + 1 + word.width() <= self.width) {
                Some(line) => *line += &format!(" {word}"),
                None => lines.push(word.to_owned()),
            }
        }
        lines
    }
}

/// Fills a share of the cells, the last one partly if there are characters for it.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "columns of a terminal"
)]
fn draw_bar(cells: &mut [(char, bool)], share: f64, glyphs: &[char]) {
    let parts = glyphs.len() - 1;
    let filled = (share.clamp(0.0, 1.0) * (parts * cells.len()) as f64).round() as usize;
    for (i, cell) in cells.iter_mut().enumerate() {
        *cell = (glyphs[filled.saturating_sub(i * parts).min(parts)], true);
    }
}

/// Writes the ends of the axis, and its zero if there is room; `None` if the ends do not fit.
fn ticks(axis: TextAxis) -> Option<String> {
    let digits = if axis.to - axis.from < 20.0 { 2 } else { 0 };
    let label =
        |value: f64| if value == 0.0 { "0".to_owned() } else { format!("{value:.digits$}") };
    let (from, to) = (label(axis.from), label(axis.to));
    let room = axis.columns.checked_sub(from.len() + to.len() + 2)?;
    let zero = axis.column(0.0);
    let has_zero = axis.from < 0.0 && (from.len() + 1..from.len() + 1 + room).contains(&zero);
    let mut line = from;
    if has_zero {
        line = format!("{line:zero$}0");
    }
    let rest = axis.columns - line.len();
    Some(format!("{line}{to:>rest$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plotter(width: usize, glyphs: &'static Glyphs) -> Plotter {
        Plotter { width, glyphs, color: false }
    }

    fn row(name: &str, point: f64, interval: Option<Interval>) -> PlotRow {
        PlotRow {
            name: name.to_owned(),
            value: format!("{point:+.1}"),
            point: Some(point),
            interval,
            ..PlotRow::default()
        }
    }

    #[test]
    fn rows_share_an_axis() {
        let rows = [
            row("rises", 3.0, Some(Interval { low: -1.0, high: 3.9 })),
            row("falls", -2.0, Some(Interval { low: -4.0, high: -0.5 })),
            row("alone", 1.0, None),
        ];
        let expected = [
            "effects",
            " rises     --+---o- +3.0",
            " falls ---o--|      -2.0",
            " alone       |o     +1.0",
            "       -4.00 0 3.90",
        ];
        let plot = plotter(24, &ASCII).plot("effects", &rows, false);
        assert_eq!(plot.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_bar_ends_in_part_of_a_character() {
        let bar = |share: f64, glyphs: &Glyphs| {
            let mut cells = vec![(' ', false); 4];
            draw_bar(&mut cells, share, glyphs.bar);
            cells.into_iter().map(|cell| cell.0).collect::<String>()
        };
        assert_eq!(
            (bar(0.5, &UNICODE), bar(0.3, &UNICODE), bar(2.0, &UNICODE)),
            ("██  ".into(), "█▎  ".into(), "████".into())
        );
        assert_eq!((bar(0.0, &ASCII), bar(0.7, &ASCII)), ("    ".into(), "### ".into()));
    }

    #[test]
    fn no_line_is_longer_than_the_width() {
        let names = [
            "short",
            "a_very_long_name_of_a_feature_that_goes_on_and_on_28d",
            "企業の規模=とても大きい会社です",
            "",
        ];
        let rows: Vec<PlotRow> = names
            .iter()
            .zip([0.1, -0.2, 1e9, f64::MIN])
            .map(|(name, x)| row(name, x, Some(Interval { low: x - 1.0, high: x + 1.0 })))
            .collect();
        for width in [24, 40, 80, 100] {
            for glyphs in [&UNICODE, &ASCII] {
                for rows in [&rows[..], &rows[..2], &rows[..1]] {
                    let plot = plotter(width, glyphs).plot(
                        "a title of several words that has to be broken",
                        rows,
                        false,
                    );
                    let longest = plot.lines().map(UnicodeWidthStr::width).max().unwrap_or(0);
                    assert!(longest <= width, "{longest} of {width}\n{plot}");
                }
            }
        }
    }

    #[test]
    fn only_marks_are_colored() {
        let rows = [PlotRow {
            color: Some(POSITIVE),
            ..row("x", 1.0, Some(Interval { low: -1.0, high: 2.0 }))
        }];
        let plain = plotter(40, &UNICODE).plot("x", &rows, false);
        let colored = Plotter { color: true, ..plotter(40, &UNICODE) }.plot("x", &rows, false);
        assert!(colored.contains("\u{1b}[36m●\u{1b}[0m"));
        assert_eq!(colored.replace(POSITIVE, "").replace(RESET, ""), plain);
    }

    #[test]
    fn a_plot_without_rows_is_empty() {
        assert_eq!(plotter(80, &UNICODE).gains(&[]), "");
        assert_eq!(plotter(80, &UNICODE).coefficients(&[]), "");
        let equal = plotter(40, &ASCII).plot("x", &[row("x", 0.0, None)], false);
        assert!(equal.contains(" o "), "{equal}");
    }
}
