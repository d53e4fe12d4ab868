//! The Thrift compact protocol as a tree of values, which can be written with counts that lie.

use rand::Rng;
use rand::seq::IndexedRandom as _;

/// A value; integers and texts carry their code of the protocol.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Bool(bool),
    Byte(u8),
    Integer(u8, i64),
    Double([u8; 8]),
    /// A text, and the length that it claims.
    Binary(Vec<u8>, Option<u64>),
    /// Elements of a type, and the number that the list claims.
    List(u8, Vec<Value>, Option<u64>),
    Struct(Vec<(i16, Value)>),
}

/// Reads a struct, and returns the number of bytes read.
pub(super) fn read(bytes: &[u8]) -> (Value, usize) {
    let mut reader = Reader { bytes, at: 0 };
    let value = reader.value(12);
    (value, reader.at)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> u8 {
        self.at += 1;
        self.bytes[self.at - 1]
    }

    fn varint(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return value;
            }
            shift += 7;
        }
    }

    fn zigzag(&mut self) -> i64 {
        let value = self.varint();
        (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
    }

    fn value(&mut self, code: u8) -> Value {
        match code {
            3 => Value::Byte(self.byte()),
            4..=6 => Value::Integer(code, self.zigzag()),
            7 => Value::Double(std::array::from_fn(|_| self.byte())),
            8 => {
                let length = usize::try_from(self.varint()).unwrap();
                self.at += length;
                Value::Binary(self.bytes[self.at - length..self.at].to_vec(), None)
            }
            9 => {
                let header = self.byte();
                let count = if header >> 4 == 15 { self.varint() } else { u64::from(header >> 4) };
                let element = header & 15;
                let read = |_| {
                    if element <= 2 { Value::Bool(self.byte() == 1) } else { self.value(element) }
                };
                Value::List(element, (0..count).map(read).collect(), None)
            }
            12 => {
                let (mut fields, mut last) = (Vec::new(), 0);
                loop {
                    let header = self.byte();
                    let code = header & 15;
                    match (header >> 4, code) {
                        (_, 0) => return Value::Struct(fields),
                        (0, _) => last = i16::try_from(self.zigzag()).unwrap(),
                        (delta, _) => last += i16::from(delta),
                    }
                    let value = if code <= 2 { Value::Bool(code == 1) } else { self.value(code) };
                    fields.push((last, value));
                }
            }
            code => panic!("unknown type {code}"),
        }
    }
}

impl Value {
    /// Returns a field of a struct.
    pub(super) fn field(&mut self, id: i16) -> Option<&mut Value> {
        let Self::Struct(fields) = self else { return None };
        fields.iter_mut().find(|(other, _)| *other == id).map(|(_, value)| value)
    }

    /// Returns the elements of a list in a field.
    pub(super) fn list(&mut self, id: i16) -> &mut [Value] {
        match self.field(id) {
            Some(Self::List(_, elements, _)) => elements,
            _ => &mut [],
        }
    }

    /// Returns the integer of a field.
    pub(super) fn integer(&mut self, id: i16) -> Option<&mut i64> {
        match self.field(id) {
            Some(Self::Integer(_, value)) => Some(value),
            _ => None,
        }
    }

    /// Lets a list or text in a field claim another number of elements or bytes.
    pub(super) fn claim(&mut self, id: i16, count: u64) {
        match self.field(id) {
            Some(Self::Binary(_, claimed) | Self::List(_, _, claimed)) => *claimed = Some(count),
            other => panic!("{other:?} has no length"),
        }
    }

    fn code(&self) -> u8 {
        match self {
            Self::Bool(true) => 1,
            Self::Bool(false) => 2,
            Self::Byte(_) => 3,
            Self::Integer(code, _) => *code,
            Self::Double(_) => 7,
            Self::Binary(..) => 8,
            Self::List(..) => 9,
            Self::Struct(_) => 12,
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Bool(_) => {}
            Self::Byte(value) => out.push(*value),
            Self::Integer(_, value) => write_zigzag(out, *value),
            Self::Double(bytes) => out.extend(bytes),
            Self::Binary(bytes, claimed) => {
                write_varint(out, claimed.unwrap_or(bytes.len() as u64));
                out.extend(bytes);
            }
            Self::List(code, elements, claimed) => {
                let count = claimed.unwrap_or(elements.len() as u64);
                if let Ok(count @ 0..15) = u8::try_from(count) {
                    out.push(count << 4 | code);
                } else {
                    out.push(0xf0 | code);
                    write_varint(out, count);
                }
                for element in elements {
                    match element {
                        Self::Bool(value) => out.push(2 - u8::from(*value)),
                        other => other.write(out),
                    }
                }
            }
            Self::Struct(fields) => {
                let mut last = 0_i16;
                for (id, value) in fields {
                    let delta = u8::try_from(i32::from(*id) - i32::from(last));
                    if let Ok(delta @ 1..=15) = delta {
                        out.push(delta << 4 | value.code());
                    } else {
                        out.push(value.code());
                        write_zigzag(out, i64::from(*id));
                    }
                    value.write(out);
                    last = *id;
                }
                out.push(0);
            }
        }
    }

    /// Changes one value of the tree.
    pub(super) fn mutate(&mut self, rng: &mut impl Rng) {
        let nodes = self.nodes();
        let mut chosen = rng.random_range(0..nodes);
        self.mutate_node(&mut chosen, rng);
    }

    /// Returns the number of values in the tree.
    fn nodes(&self) -> usize {
        1 + match self {
            Self::List(_, elements, _) => elements.iter().map(Self::nodes).sum(),
            Self::Struct(fields) => fields.iter().map(|(_, value)| value.nodes()).sum(),
            _ => 0,
        }
    }

    /// Changes the value at a position of the depth-first walk; returns whether it was found.
    fn mutate_node(&mut self, position: &mut usize, rng: &mut impl Rng) -> bool {
        if *position == 0 {
            self.change(rng);
            return true;
        }
        *position -= 1;
        match self {
            Self::List(_, elements, _) => {
                elements.iter_mut().any(|element| element.mutate_node(position, rng))
            }
            Self::Struct(fields) => {
                fields.iter_mut().any(|(_, value)| value.mutate_node(position, rng))
            }
            _ => false,
        }
    }

    fn change(&mut self, rng: &mut impl Rng) {
        // Now and then, a value of another type.
        if rng.random_ratio(1, 20) {
            let other =
                [Self::Bool(true), Self::Integer(6, 1 << 62), Self::Binary(vec![7; 3], None)];
            *self = other.choose(rng).unwrap().clone();
            return;
        }
        match self {
            Self::Bool(value) => *value = !*value,
            Self::Byte(value) => *value = rng.random(),
            Self::Integer(_, value) => *value = any_integer(*value, rng),
            Self::Double(bytes) => *bytes = rng.random(),
            Self::Binary(bytes, claimed) => match rng.random_range(0..4) {
                0 => *claimed = Some(any_count(bytes.len(), rng)),
                1 => bytes.iter_mut().for_each(|byte| *byte = rng.random()),
                2 => bytes.clear(),
                _ => *bytes = vec![b'x'; rng.random_range(0..5_000)],
            },
            Self::List(code, elements, claimed) => match rng.random_range(0..5) {
                0 => *claimed = Some(any_count(elements.len(), rng)),
                1 => *code = rng.random_range(0..16),
                2 => drop(elements.pop()),
                3 => elements.extend(elements.last().cloned()),
                _ => elements.reverse(),
            },
            Self::Struct(fields) => {
                let Some(index) = (0..fields.len()).collect::<Vec<_>>().choose(rng).copied() else {
                    return;
                };
                match rng.random_range(0..4) {
                    0 => drop(fields.remove(index)),
                    1 => fields.push(fields[index].clone()),
                    2 => fields[index].0 = rng.random_range(-3..20),
                    _ => {
                        // Many structs around a value.
                        for _ in 0..rng.random_range(1..200) {
                            let inner = std::mem::replace(&mut fields[index].1, Self::Bool(true));
                            fields[index].1 = Self::Struct(vec![(1, inner)]);
                        }
                    }
                }
            }
        }
    }
}

/// Returns an integer at which readers fail.
fn any_integer(before: i64, rng: &mut impl Rng) -> i64 {
    let special = [
        0,
        1,
        2,
        3,
        -1,
        127,
        255,
        1 << 15,
        1 << 20,
        1 << 31,
        1 << 40,
        1 << 62,
        -(1 << 31),
        i64::from(i32::MAX),
        i64::MAX,
        i64::MIN,
        before + 1,
        before - 1,
        before.wrapping_mul(2),
        before.wrapping_neg(),
        before / 2,
        before + 1_000_000,
    ];
    match rng.random_range(0..4) {
        0 => rng.random_range(0..16),
        1 => rng.random_range(0..1 << 24),
        _ => *special.choose(rng).unwrap(),
    }
}

fn any_count(before: usize, rng: &mut impl Rng) -> u64 {
    let before = before as u64;
    let counts = [
        0,
        before + 1,
        before.saturating_sub(1),
        1 << 16,
        1 << 24,
        (1 << 31) - 1,
        1 << 32,
        u64::MAX,
    ];
    *counts.choose(rng).unwrap()
}

fn write_zigzag(out: &mut Vec<u8>, value: i64) {
    write_varint(out, (value << 1 ^ value >> 63).cast_unsigned());
}

fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}
