//! Texts as codes, in order of first appearance.

use polars::prelude::StringChunked;
use rayon::slice::ParallelSliceMut;
use string_interner::backend::StringBackend;
use string_interner::{DefaultSymbol, StringInterner, Symbol};

use crate::io::read::Dictionary;

/// A missing account or user.
pub(crate) const NO_CODE: u32 = u32::MAX;

/// Codes for texts. The texts lie one after the other in one piece of memory: a log has millions of
/// users.
#[derive(Debug, Clone, Default)]
pub(crate) struct Codes(StringInterner<StringBackend>);

fn code_of(symbol: DefaultSymbol) -> u32 {
    u32::try_from(symbol.to_usize()).expect("a symbol has 32 bits")
}

impl Codes {
    /// How many texts there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The text of a code.
    pub(crate) fn name(&self, code: u32) -> &str {
        let symbol = DefaultSymbol::try_from_usize(code as usize);
        symbol.and_then(|symbol| self.0.resolve(symbol)).expect("a code has its text")
    }

    /// The texts in the order of their codes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, text)| text)
    }

    /// The code of a text, a new one if it has none yet.
    pub(crate) fn code(&mut self, text: &str) -> u32 {
        code_of(self.0.get_or_intern(text))
    }

    /// The code of a text that has one.
    pub(crate) fn get(&self, text: &str) -> Option<u32> {
        self.0.get(text).map(code_of)
    }

    /// Names sorted by bytes, and the rank of each code in them; `keep` says which codes are still
    /// in use.
    pub(crate) fn ranks(&self, keep: impl Fn(u32) -> bool) -> (Vec<Box<str>>, Vec<u32>) {
        let mut order: Vec<u32> = (0..).take(self.len()).filter(|c| keep(*c)).collect();
        order.par_sort_unstable_by_key(|code| self.name(*code));
        let mut rank = vec![NO_CODE; self.len()];
        for (r, code) in (0..).zip(&order) {
            rank[*code as usize] = r;
        }
        (order.iter().map(|c| self.name(*c).into()).collect(), rank)
    }
}

/// A column of texts: each row's own, or codes as the file has them.
pub(crate) enum Texts<'a> {
    Plain(StringChunked),
    Coded(&'a [Dictionary]),
}

/// Returns the code of every value of a column: `missing` for null and the empty text, else what
/// `code` answers.
pub(crate) fn coded(
    texts: &Texts<'_>,
    missing: u32,
    mut code: impl FnMut(&str) -> u32,
) -> Vec<u32> {
    match texts {
        Texts::Plain(column) => column
            .iter()
            .map(|text| text.filter(|text| !text.is_empty()).map_or(missing, &mut code))
            .collect(),
        Texts::Coded(pieces) => {
            let mut codes = Vec::with_capacity(pieces.iter().map(Dictionary::len).sum());
            pieces.iter().for_each(|piece| recoded(piece, missing, &mut code, &mut codes));
            codes
        }
    }
}

/// Append the codes of a file's codes; each is asked for where it is met first.
fn recoded(
    piece: &Dictionary,
    missing: u32,
    code: &mut impl FnMut(&str) -> u32,
    into: &mut Vec<u32>,
) {
    let mut known: Vec<Option<u32>> = vec![None; piece.texts()];
    let mut ask = |at: u32| {
        *known[at as usize].get_or_insert_with(|| match piece.text(at) {
            "" => missing,
            text => code(text),
        })
    };
    match piece.codes() {
        (codes, None) => into.extend(codes.iter().map(|at| ask(*at))),
        (codes, Some(valid)) => into.extend(
            codes.iter().zip(valid).map(|(at, valid)| if valid { ask(*at) } else { missing }),
        ),
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use super::*;

    #[test]
    fn ranks_follow_the_bytes_of_the_names() {
        let mut codes = Codes::default();
        let c: Vec<u32> = ["b", "a", "b", "C"].iter().map(|n| codes.code(n)).collect();
        assert_eq!(c, [0, 1, 0, 2]);
        let (names, rank) = codes.ranks(|_| true);
        assert_eq!(names.iter().map(|n| &**n).collect::<Vec<_>>(), ["C", "a", "b"]);
        assert_eq!(rank, [2, 1, 0]);
        assert_eq!((codes.get("C"), codes.get("c"), codes.name(1)), (Some(2), None, "a"));
    }

    #[test]
    fn a_column_has_the_codes_of_its_texts() {
        let texts: Vec<Option<String>> = (0..40_000_u32)
            .map(|i| match i % 7 {
                0 => None,
                1 => Some(String::new()),
                2 => Some(format!("a text of more than twelve bytes {}", i % 1_000)),
                _ => Some(format!("{}", i.wrapping_mul(2_654_435_761) % 30_000)),
            })
            .collect();
        let mut column = StringChunked::new("x".into(), &texts[..30_000]);
        column.append(&StringChunked::new("x".into(), &texts[30_000..])).unwrap();
        let (mut codes, mut plain) = (Codes::default(), Codes::default());
        let found = coded(&Texts::Plain(column), NO_CODE, |text| codes.code(text));
        let expected: Vec<u32> = texts
            .iter()
            .map(|text| {
                text.as_deref().filter(|t| !t.is_empty()).map_or(NO_CODE, |t| plain.code(t))
            })
            .collect();
        assert_eq!(found, expected);
        assert!(codes.iter().eq(plain.iter()));
    }
}
