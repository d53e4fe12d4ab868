//! Small plots in plain text, as wide as the terminal.

use std::env;
use std::io;

use pql_stats::intervals::Interval;
use pql_stats::metrics::{Bin, Decile};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::model::explain::Coefficient;

/// Columns where neither `COLUMNS` nor the terminal tells how many there are.
const WIDTH: usize = 80;
/// Fewest columns in which a plot tells anything.
const NARROWEST: usize = 24;
/// Most columns of a plot: beyond it rows are hard to follow.
const WIDEST: usize = 100;
/// Coefficients shown.
const WEIGHTS: usize = 15;

/// What plots are made of.
#[derive(Debug, PartialEq, Eq)]
struct Glyphs {
    point: char,
    line: char,
    zero: char,
    crossed: char,
    expected: char,
    met: char,
    /// Parts of a bar's last character, from nothing to all of it.
    bar: &'static [char],
    cut: char,
}

const UNICODE: Glyphs = Glyphs {
    point: '●',
    line: '─',
    zero: '│',
    crossed: '┼',
    expected: '◇',
    met: '◆',
    bar: &[' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'],
    cut: '…',
};

const ASCII: Glyphs = Glyphs {
    point: 'o',
    line: '-',
    zero: '|',
    crossed: '+',
    expected: 'x',
    met: '@',
    bar: &[' ', '#'],
    cut: '~',
};

/// Colours, beside signs that say the same.
const ABOVE: &str = "\u{1b}[36m";
const BELOW: &str = "\u{1b}[33m";
const PLAIN: &str = "\u{1b}[0m";

/// How plots are drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drawing {
    width: usize,
    glyphs: &'static Glyphs,
    color: bool,
}

/// A line of a plot.
#[derive(Debug, Default)]
struct Row {
    name: String,
    /// Its number in digits, at the end.
    value: String,
    bar: Option<f64>,
    interval: Option<Interval>,
    point: Option<f64>,
    expected: Option<f64>,
    color: Option<&'static str>,
}

/// What the columns of a plot stand for.
#[derive(Debug, Clone, Copy)]
struct Axis {
    from: f64,
    to: f64,
    columns: usize,
}

impl Axis {
    /// The column of a value; what lies outside stands at the edge.
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

impl Drawing {
    /// Returns how to draw on standard output; `None` where it is too narrow.
    ///
    /// # Arguments
    /// * `terminal` – whether standard output is one
    pub(crate) fn for_stdout(terminal: bool) -> Option<Self> {
        let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let told = set("COLUMNS").and_then(|columns| columns.parse().ok());
        let measured =
            || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0.into());
        let width = told.or_else(measured).filter(|width| *width > 0).unwrap_or(WIDTH).min(WIDEST);
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(set)
            .unwrap_or_default()
            .to_lowercase();
        let unicode = cfg!(windows) || locale.contains("utf-8") || locale.contains("utf8");
        let color =
            terminal && set("NO_COLOR").is_none() && set("TERM").is_some_and(|name| name != "dumb");
        (width >= NARROWEST).then_some(Self {
            width,
            glyphs: if unicode { &UNICODE } else { &ASCII },
            color,
        })
    }

    /// Coefficients with their intervals, those of largest size, intercept aside.
    pub(crate) fn weights(&self, coefficients: &[Coefficient]) -> String {
        let mut largest: Vec<&Coefficient> =
            coefficients.iter().filter(|c| !c.measure.is_empty() && c.coef.is_finite()).collect();
        largest.sort_by(|a, b| b.coef.abs().total_cmp(&a.coef.abs()));
        let all = largest.len();
        largest.truncate(WEIGHTS);
        let row = |c: &&Coefficient| Row {
            name: c.feature.clone(),
            value: format!("{:+.3}", c.coef),
            interval: c.interval,
            point: Some(c.coef),
            color: Some(if c.coef < 0.0 { BELOW } else { ABOVE }),
            ..Row::default()
        };
        let rows: Vec<Row> = largest.iter().map(row).collect();
        let which = if all > rows.len() {
            format!("the {} largest of {all} ", rows.len())
        } else {
            String::new()
        };
        let intervals = if rows.iter().any(|row| row.interval.is_some()) {
            ", with 95 % intervals"
        } else {
            ""
        };
        self.plot(
            &format!("Weights: {which}coefficients per standard deviation{intervals}"),
            &rows,
            false,
        )
    }

    /// Share that converted against the mean probability, by bin.
    pub(crate) fn reliability(&self, bins: &[Bin]) -> String {
        let row = |bin: &Bin| Row {
            name: format!("{:.4}", bin.probability),
            value: format!("{:.4}", bin.converted),
            interval: Some(bin.converted_interval),
            point: Some(bin.converted),
            expected: Some(bin.probability),
            ..Row::default()
        };
        let Glyphs { point, expected, met, .. } = self.glyphs;
        let title = format!(
            "Reliability by mean probability of a bin: {point} converted, with its 95 % interval, {expected} expected, {met} both"
        );
        self.plot(&title, &bins.iter().map(row).collect::<Vec<_>>(), false)
    }

    /// Share of all conversions found from the top down, by decile; empty without conversions.
    pub(crate) fn gains(&self, deciles: &[Decile]) -> String {
        #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
        let share =
            |rows: u64| rows as f64 / deciles.iter().map(|decile| decile.rows).sum::<u64>() as f64;
        let mut so_far = 0;
        let mut rows = Vec::new();
        for decile in deciles {
            so_far += decile.rows;
            rows.extend(decile.gain.map(|gain| Row {
                name: format!("top {:.0} %", 100.0 * share(so_far)),
                value: format!("{gain:.4}"),
                bar: Some(gain),
                expected: Some(share(so_far)),
                color: Some(ABOVE),
                ..Row::default()
            }));
        }
        self.plot(
            &format!("Gains: share of all conversions found, {} by chance", self.glyphs.expected),
            &rows,
            true,
        )
    }

    /// A title, a line for each row, and the ends of the axis; empty without rows.
    fn plot(&self, title: &str, rows: &[Row], whole: bool) -> String {
        let longest =
            |text: fn(&Row) -> &str| rows.iter().map(|row| text(row).width()).max().unwrap_or(0);
        let (names, values) =
            (longest(|row| &row.name).min(self.width / 3), longest(|row| &row.value));
        // A blank before the name, and one on each side of the plot.
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
            if whole { (0.0, 1.0) } else { (from, if to > from { to } else { from + 1.0 }) };
        let axis = Axis { from, to, columns };
        let mut lines = self.wrapped(title);
        for row in rows {
            let name = self.cut(&row.name, names);
            let pad = " ".repeat(names - name.width());
            lines.push(format!(" {name}{pad} {} {:>values$}", self.cells(row, axis), row.value));
        }
        lines.extend(ticks(axis).map(|ticks| format!(" {:names$} {ticks}", "")));
        lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
    }

    /// The drawn part of a row.
    fn cells(&self, row: &Row, axis: Axis) -> String {
        let Glyphs { point, line, zero, crossed, expected, met, bar, .. } = self.glyphs;
        let mut cells = vec![(' ', false); axis.columns];
        if let Some(share) = row.bar {
            draw_bar(&mut cells, (share - axis.from) / (axis.to - axis.from), bar);
        }
        if let Some(Interval { low, high }) = row.interval {
            cells[axis.column(low)..=axis.column(high)].fill((*line, false));
        }
        if axis.from < 0.0 {
            let at = &mut cells[axis.column(0.0)];
            *at = (if at.0 == *line { *crossed } else { *zero }, false);
        }
        if let Some(value) = row.point {
            cells[axis.column(value)] = (*point, true);
        }
        if let Some(value) = row.expected {
            let at = &mut cells[axis.column(value)];
            *at = (if at.0 == *point { *met } else { *expected }, false);
        }
        let mut text = String::new();
        for run in cells.chunk_by(|a, b| a.1 == b.1) {
            let glyphs: String = run.iter().map(|cell| cell.0).collect();
            match row.color.filter(|_| self.color && run[0].1) {
                Some(color) => text += &format!("{color}{glyphs}{PLAIN}"),
                None => text += &glyphs,
            }
        }
        text
    }

    /// A name in at most so many columns.
    fn cut(&self, name: &str, columns: usize) -> String {
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
        short.push(self.glyphs.cut);
        short
    }

    /// A text in lines of at most the width, broken between words.
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

/// Fill a share of the cells, the last one in part where there are glyphs for that.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "columns of a terminal"
)]
fn draw_bar(cells: &mut [(char, bool)], share: f64, glyphs: &[char]) {
    let parts = glyphs.len() - 1;
    let filled = (share.clamp(0.0, 1.0) * (parts * cells.len()) as f64).round() as usize;
    for (at, cell) in cells.iter_mut().enumerate() {
        *cell = (glyphs[filled.saturating_sub(at * parts).min(parts)], true);
    }
}

/// The ends of the axis in digits, and its zero where there is room between them; `None` where
/// there is none for the ends.
fn ticks(axis: Axis) -> Option<String> {
    let digits = if axis.to - axis.from < 20.0 { 2 } else { 0 };
    let label =
        |value: f64| if value == 0.0 { "0".to_owned() } else { format!("{value:.digits$}") };
    let (from, to) = (label(axis.from), label(axis.to));
    let room = axis.columns.checked_sub(from.len() + to.len() + 2)?;
    let zero = axis.column(0.0);
    let between = axis.from < 0.0 && (from.len() + 1..from.len() + 1 + room).contains(&zero);
    let mut line = from;
    if between {
        line = format!("{line:zero$}0");
    }
    let rest = axis.columns - line.len();
    Some(format!("{line}{to:>rest$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawing(width: usize, glyphs: &'static Glyphs) -> Drawing {
        Drawing { width, glyphs, color: false }
    }

    fn row(name: &str, point: f64, interval: Option<Interval>) -> Row {
        Row {
            name: name.to_owned(),
            value: format!("{point:+.1}"),
            point: Some(point),
            interval,
            ..Row::default()
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
        let plot = drawing(24, &ASCII).plot("effects", &rows, false);
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
        let rows: Vec<Row> = names
            .iter()
            .zip([0.1, -0.2, 1e9, f64::MIN])
            .map(|(name, at)| row(name, at, Some(Interval { low: at - 1.0, high: at + 1.0 })))
            .collect();
        for width in [24, 40, 80, 100] {
            for glyphs in [&UNICODE, &ASCII] {
                for rows in [&rows[..], &rows[..2], &rows[..1]] {
                    let plot = drawing(width, glyphs).plot(
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
    fn colours_stand_around_marks_alone_and_change_nothing_else() {
        let rows =
            [Row { color: Some(ABOVE), ..row("x", 1.0, Some(Interval { low: -1.0, high: 2.0 })) }];
        let plain = drawing(40, &UNICODE).plot("x", &rows, false);
        let colored = Drawing { color: true, ..drawing(40, &UNICODE) }.plot("x", &rows, false);
        assert!(colored.contains("\u{1b}[36m●\u{1b}[0m"));
        assert_eq!(colored.replace(ABOVE, "").replace(PLAIN, ""), plain);
    }

    #[test]
    fn nothing_gives_an_empty_plot() {
        assert_eq!(drawing(80, &UNICODE).gains(&[]), "");
        assert_eq!(drawing(80, &UNICODE).weights(&[]), "");
        let equal = drawing(40, &ASCII).plot("x", &[row("x", 0.0, None)], false);
        assert!(equal.contains(" o "), "{equal}");
    }
}
