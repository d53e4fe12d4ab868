//! Texts as codes, in order of first appearance.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use polars::prelude::StringChunked;
use rayon::slice::ParallelSliceMut;

use crate::table::Dictionary;

/// A missing account or user.
pub(crate) const NO_CODE: u32 = u32::MAX;

/// Codes for texts. The texts lie one after the other in one piece of memory: a log has millions of users.
#[derive(Debug, Clone, Default)]
pub(crate) struct Codes {
    text: String,
    /// Where the text of each code ends.
    ends: Vec<usize>,
    /// Codes by the hash of their text.
    table: HashTable<u32>,
}

fn hash(text: &str) -> u64 {
    FixedState::default().hash_one(text)
}

fn text_of<'a>(text: &'a str, ends: &[usize], code: u32) -> &'a str {
    let code = code as usize;
    let start = if code == 0 { 0 } else { ends[code - 1] };
    &text[start..ends[code]]
}

impl Codes {
    /// How many texts there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of a code.
    pub(crate) fn name(&self, code: u32) -> &str {
        text_of(&self.text, &self.ends, code)
    }

    /// The texts in the order of their codes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..).take(self.len()).map(|code| self.name(code))
    }

    /// The code of a text, a new one if it has none yet.
    pub(crate) fn code(&mut self, text: &str) -> u32 {
        let hash = hash(text);
        let Self { text: all, ends, table } = self;
        if let Some(code) = table.find(hash, |code| text_of(all, ends, *code) == text) {
            return *code;
        }
        let code = u32::try_from(ends.len()).expect("memory ends before 4 billion names");
        all.push_str(text);
        ends.push(all.len());
        table.insert_unique(hash, code, |code| self::hash(text_of(all, ends, *code)));
        code
    }

    /// The code of a text that has one.
    pub(crate) fn get(&self, text: &str) -> Option<u32> {
        self.table.find(hash(text), |code| self.name(*code) == text).copied()
    }

    /// Names sorted by bytes, and the rank of each code in them; `keep` says which codes are still in use.
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

/// Places of a [`Memo`]: with 32 bytes each they stay in a core's own cache.
const MEMO: usize = 1 << 15;

/// A view's code, and the chunk in which the view means it; 0: everywhere.
type Remembered = (u128, u32, u32);

/// Codes of the texts met last by their view: a text of up to 12 bytes, or where in its chunk a longer one lies.
pub(crate) struct Memo {
    slots: Vec<Remembered>,
    /// Chunks met so far.
    chunks: u32,
}

impl Default for Memo {
    /// Views begin with the length of the text, and that of an empty one is never asked for.
    fn default() -> Self {
        Self { slots: vec![(0, NO_CODE, 0); MEMO], chunks: 0 }
    }
}

impl Memo {
    /// Begin a chunk.
    fn next_chunk(&mut self) {
        self.chunks = self.chunks.checked_add(1).unwrap_or_else(|| {
            *self = Self::default();
            1
        });
    }

    /// The code of a view in the chunk at hand; `code` answers where it is not remembered.
    fn code(&mut self, view: u128, is_inline: bool, code: impl FnOnce() -> u32) -> u32 {
        let chunk = if is_inline { 0 } else { self.chunks };
        let slot = &mut self.slots[Self::slot(view)];
        if (slot.0, slot.2) != (view, chunk) {
            *slot = (view, code(), chunk);
        }
        slot.1
    }

    /// Multiplicative hashing of both halves (Knuth, *The Art of Computer Programming* 3, §6.4), by the golden ratio.
    #[expect(clippy::cast_possible_truncation, reason = "halves of a view, and the highest bits of a product")]
    fn slot(view: u128) -> usize {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let folded = (view as u64).wrapping_mul(GOLDEN) ^ ((view >> 64) as u64).rotate_left(32);
        (folded.wrapping_mul(GOLDEN) >> (64 - MEMO.trailing_zeros())) as usize
    }
}

/// A column of texts: each row's own, or codes as the file has them.
pub(crate) enum Texts<'a> {
    Plain(StringChunked),
    Coded(&'a [Dictionary]),
}

/// The code of every value of a column: `missing` for null and the empty text, else what `code` answers, which is asked anew only
/// where `memo` does not know a text.
pub(crate) fn coded(texts: &Texts<'_>, memo: &mut Memo, missing: u32, mut code: impl FnMut(&str) -> u32) -> Vec<u32> {
    match texts {
        Texts::Plain(column) => coded_plain(column, memo, missing, code),
        Texts::Coded(pieces) => {
            let mut codes = Vec::with_capacity(pieces.iter().map(Dictionary::len).sum());
            pieces.iter().for_each(|piece| recoded(piece, missing, &mut code, &mut codes));
            codes
        }
    }
}

/// Append the codes of a file's codes; each is asked for where it is met first.
fn recoded(piece: &Dictionary, missing: u32, code: &mut impl FnMut(&str) -> u32, into: &mut Vec<u32>) {
    let mut known: Vec<Option<u32>> = vec![None; piece.texts()];
    let mut ask = |at: u32| {
        *known[at as usize].get_or_insert_with(|| match piece.text(at) {
            "" => missing,
            text => code(text),
        })
    };
    match piece.codes() {
        (codes, None) => into.extend(codes.iter().map(|at| ask(*at))),
        (codes, Some(valid)) => into.extend(codes.iter().zip(valid).map(|(at, valid)| if valid { ask(*at) } else { missing })),
    }
}

fn coded_plain(column: &StringChunked, memo: &mut Memo, missing: u32, mut code: impl FnMut(&str) -> u32) -> Vec<u32> {
    let mut codes = Vec::with_capacity(column.len());
    for (chunk, array) in column.downcast_iter().zip(column.chunks()) {
        memo.next_chunk();
        let valid = array.validity();
        for (at, view) in chunk.views().iter().enumerate() {
            let is_null = valid.is_some_and(|valid| !valid.get_bit(at));
            let absent = is_null || view.length == 0;
            codes.push(if absent { missing } else { memo.code(view.as_u128(), view.is_inline(), || code(chunk.value(at))) });
        }
    }
    codes
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
        let found = coded(&Texts::Plain(column), &mut Memo::default(), NO_CODE, |text| codes.code(text));
        let expected: Vec<u32> =
            texts.iter().map(|text| text.as_deref().filter(|t| !t.is_empty()).map_or(NO_CODE, |t| plain.code(t))).collect();
        assert_eq!(found, expected);
        assert!(codes.iter().eq(plain.iter()));
    }
}
