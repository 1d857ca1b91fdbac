//! The envelope of a `RecordBatch`: everything but its records, which stay where they are.
//!
//! What must be known before a batch is acknowledged (whose it is, which numbers it holds, what the
//! producer has counted) is read by one walk over the top-level fields: no allocation per record,
//! no copy. Whether a record itself can be decoded is found out later, when it becomes a call; one
//! that cannot is set aside there and costs only itself. Pure: no I/O, no clock.
//!
//! Unknown fields are stepped over, as protobuf asks. Groups (wire types 3 and 4) are refused: the
//! contract has none.

use std::ops::Range;

use bytes::Bytes;
use twintap_record::{Counters, Message, PRODUCER_ID_LEN, Producer, VERSION};

/// Largest record number: the dataset stores numbers as signed 64-bit integers.
pub const RECORD_NUMBER_MAX: u64 = i64::MAX.unsigned_abs();

/// Largest encoded `Counters` of a batch: there are a dozen, and reasons by which some are told apart. Any
/// more would be kept several times as large as they came.
const COUNTERS_BYTES_MAX: usize = 4096;

/// What a batch says about itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Envelope {
    /// Who recorded it.
    pub producer_id: [u8; PRODUCER_ID_LEN],
    /// Number of the batch at its producer.
    pub batch_sequence: u64,
    /// Number of the first record; meaningless when there is none.
    pub first_record_number: u64,
    /// Number of records; 0 is a heartbeat.
    pub records_count: u32,
    /// What the producer had counted when it sealed the batch; `None` if it did not say.
    pub counters: Option<Counters>,
}

impl Envelope {
    /// The numbers of the batch's records.
    pub fn numbers(&self) -> Range<u64> {
        let first = self.first_record_number;
        first..first.saturating_add(u64::from(self.records_count))
    }
}

/// Why bytes are not a batch that can be taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not protobuf, or not this message.
    #[error("field {field} at byte {offset} is malformed: {problem}")]
    Malformed {
        /// Field number, 0 if even that could not be read.
        field: u32,
        /// Offset of the field in the body.
        offset: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Written by a newer, incompatible filter, or by something else.
    #[error("version {0} of the record contract is not supported, this collector reads {VERSION}")]
    Version(u32),
    /// `producer_id` has the wrong length.
    #[error("producer_id has {0} bytes, not {PRODUCER_ID_LEN}")]
    ProducerId(usize),
    /// More records than a batch may hold.
    #[error("the batch holds more than {0} records")]
    TooManyRecords(u32),
    /// `first_record_number` is 0, or the last number is beyond [`RECORD_NUMBER_MAX`].
    #[error("record numbers run from 1 to {RECORD_NUMBER_MAX}, the first is {0}")]
    FirstNumber(u64),
    /// A record's own number is not `first_record_number` plus its index.
    #[error("the record at index {index} has number {number}, not {expected}")]
    Number {
        /// Index in the batch.
        index: u32,
        /// What the record says.
        number: u64,
        /// What the envelope says.
        expected: u64,
    },
}

impl EnvelopeError {
    /// The machine-readable name, used in answers and as a metric label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed_batch",
            Self::Version(_) => "unsupported_version",
            Self::ProducerId(_) => "producer_id_length",
            Self::TooManyRecords(_) => "too_many_records",
            Self::FirstNumber(_) => "first_record_number",
            Self::Number { .. } => "record_number",
        }
    }
}

/// Reads the envelope of the batch in `body`, which may hold at most `records_max` records.
pub fn parse(body: &[u8], records_max: u32) -> Result<Envelope, EnvelopeError> {
    let mut envelope = Envelope::default();
    let mut version = 0;
    let mut producer_id: &[u8] = &[];
    let mut counters_bytes = 0;
    let mut numbers = Numbers::default();
    let mut fields = Fields::new(body);
    while let Some(field) = fields.next()? {
        match (field.number, &field.value) {
            (1, Value::Varint(value)) => version = u32::try_from(*value).unwrap_or(u32::MAX),
            (2, Value::Bytes(bytes)) => producer_id = bytes,
            (3, Value::Varint(value)) => envelope.batch_sequence = *value,
            (4, Value::Varint(value)) => envelope.first_record_number = *value,
            // Checked, not kept: a batch whose producer cannot be read could not be stored.
            (5, Value::Bytes(bytes)) => {
                Producer::decode(*bytes).map_err(|_| field.error("not a Producer"))?;
            }
            (6, Value::Bytes(bytes)) => {
                counters_bytes += bytes.len();
                if counters_bytes > COUNTERS_BYTES_MAX {
                    return Err(field.error("more than Counters can be"));
                }
                let counters = envelope.counters.get_or_insert_default();
                counters
                    .merge(*bytes)
                    .map_err(|_| field.error("not Counters"))?;
            }
            (15, Value::Bytes(bytes)) => {
                let index = envelope.records_count;
                if index >= records_max {
                    return Err(EnvelopeError::TooManyRecords(records_max));
                }
                if let Some(number) = leading_number(bytes) {
                    numbers.add(index, number);
                }
                envelope.records_count = index.saturating_add(1);
            }
            (1..=6 | 15, _) => return Err(field.error("wrong wire type")),
            _ => {}
        }
    }
    if version != VERSION {
        return Err(EnvelopeError::Version(version));
    }
    envelope.producer_id = producer_id
        .try_into()
        .map_err(|_| EnvelopeError::ProducerId(producer_id.len()))?;
    if envelope.records_count > 0 {
        let last = envelope
            .first_record_number
            .checked_add(u64::from(envelope.records_count - 1))
            .filter(|last| *last <= RECORD_NUMBER_MAX);
        if envelope.first_record_number == 0 || last.is_none() {
            return Err(EnvelopeError::FirstNumber(envelope.first_record_number));
        }
    }
    match numbers.mismatch(envelope.first_record_number) {
        Some(error) => Err(error),
        None => Ok(envelope),
    }
}

/// Numbers that records say themselves, held against the batch's once all is read: its fields may come in any
/// order.
#[derive(Default)]
struct Numbers {
    /// Index and number of the first record that says one.
    first: Option<(u32, u64)>,
    /// Of the first behind it that does not follow from it.
    odd: Option<(u32, u64)>,
}

impl Numbers {
    fn add(&mut self, index: u32, number: u64) {
        let Some((first_index, first_number)) = self.first else {
            self.first = Some((index, number));
            return;
        };
        let behind = u64::from(index.saturating_sub(first_index));
        if number != first_number.saturating_add(behind) && self.odd.is_none() {
            self.odd = Some((index, number));
        }
    }

    /// The first that is not that of a batch that begins with `first_record_number`.
    fn mismatch(&self, first_record_number: u64) -> Option<EnvelopeError> {
        let mut told = self.first.into_iter().chain(self.odd);
        told.find_map(|(index, number)| {
            let expected = first_record_number.saturating_add(u64::from(index));
            (number != expected).then_some(EnvelopeError::Number {
                index,
                number,
                expected,
            })
        })
    }
}

/// Who a batch is from, and its records, still encoded: zero-copy slices of `body` in order.
pub fn split(body: &Bytes) -> Result<(Producer, Vec<Bytes>), EnvelopeError> {
    let mut producer = Producer::default();
    let mut records = Vec::new();
    let mut fields = Fields::new(body);
    while let Some(field) = fields.next()? {
        match (field.number, &field.value) {
            (5, Value::Bytes(bytes)) => {
                producer
                    .merge(*bytes)
                    .map_err(|_| field.error("not a Producer"))?;
            }
            (15, Value::Bytes(bytes)) => records.push(body.slice_ref(bytes)),
            _ => {}
        }
    }
    Ok((producer, records))
}

/// How many headers the encoded `Record` has, in all of its blocks, as far as it can be read.
pub fn headers_count(record: &[u8]) -> usize {
    const BLOCKS: [u32; 4] = [5, 7, 8, 10];
    const HEADERS: u32 = 1;
    let mut count = 0_usize;
    let mut fields = Fields::new(record);
    while let Ok(Some(field)) = fields.next() {
        let Value::Bytes(block) = field.value else {
            continue;
        };
        if !BLOCKS.contains(&field.number) {
            continue;
        }
        let mut headers = Fields::new(block);
        while let Ok(Some(header)) = headers.next() {
            count = count.saturating_add(usize::from(header.number == HEADERS));
        }
    }
    count
}

/// A record's number, if the record begins with it, as the filter's do.
fn leading_number(record: &[u8]) -> Option<u64> {
    match Fields::new(record).next() {
        Ok(Some(Field {
            number: 1,
            value: Value::Varint(value),
            ..
        })) => Some(value),
        _ => None,
    }
}

struct Field<'a> {
    number: u32,
    offset: usize,
    value: Value<'a>,
}

enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed,
}

impl Field<'_> {
    fn error(&self, problem: &'static str) -> EnvelopeError {
        EnvelopeError::Malformed {
            field: self.number,
            offset: self.offset,
            problem,
        }
    }
}

/// The fields of one message, one level deep.
struct Fields<'a> {
    whole: usize,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn new(message: &'a [u8]) -> Self {
        Self {
            whole: message.len(),
            rest: message,
        }
    }

    fn next(&mut self) -> Result<Option<Field<'a>>, EnvelopeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let offset = self.whole - self.rest.len();
        let malformed = |field, problem| {
            move || EnvelopeError::Malformed {
                field,
                offset,
                problem,
            }
        };
        let key = self.varint().ok_or_else(malformed(0, "bad key"))?;
        let number = u32::try_from(key >> 3).unwrap_or(0);
        if number == 0 || number >= 1 << 29 {
            return Err(malformed(0, "field number out of range")());
        }
        let value = match key & 7 {
            0 => Value::Varint(self.varint().ok_or_else(malformed(number, "bad varint"))?),
            1 => self
                .fixed(8)
                .ok_or_else(malformed(number, "ends in a fixed64"))?,
            2 => self
                .varint()
                .and_then(|length| self.take(usize::try_from(length).ok()?))
                .map(Value::Bytes)
                .ok_or_else(malformed(number, "length beyond the end"))?,
            5 => self
                .fixed(4)
                .ok_or_else(malformed(number, "ends in a fixed32"))?,
            _ => return Err(malformed(number, "wire type is not of this contract")()),
        };
        Ok(Some(Field {
            number,
            offset,
            value,
        }))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for (index, byte) in self.rest.iter().enumerate().take(10) {
            let bits = u64::from(byte & 0x7f);
            if index == 9 && bits > 1 {
                return None;
            }
            value |= bits << (7 * index);
            if byte & 0x80 == 0 {
                self.rest = self.rest.get(index + 1..)?;
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn fixed(&mut self, length: usize) -> Option<Value<'a>> {
        self.take(length).map(|_| Value::Fixed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use twintap_record::{Record, RecordBatch};

    fn batch(first: u64, count: u64) -> RecordBatch {
        RecordBatch {
            version: VERSION,
            producer_id: Bytes::from_static(&[7; PRODUCER_ID_LEN]),
            batch_sequence: 3,
            first_record_number: first,
            producer: Some(Producer {
                service: "shop".into(),
                ..Producer::default()
            }),
            counters: Some(Counters {
                observed: 9,
                ..Counters::default()
            }),
            records: (first..first + count)
                .map(|number| Record {
                    number,
                    ..Record::default()
                })
                .collect(),
        }
    }

    #[test]
    fn an_envelope_says_who_and_which_numbers() {
        let envelope = parse(&batch(5, 3).encode_to_vec(), 10).unwrap();
        assert_eq!(envelope.producer_id, [7; PRODUCER_ID_LEN]);
        assert_eq!(envelope.numbers(), 5..8);
        assert_eq!(envelope.counters.unwrap().observed, 9);
    }

    #[test]
    fn a_batch_splits_into_its_records() {
        let body = Bytes::from(batch(5, 3).encode_to_vec());
        let (producer, records) = split(&body).unwrap();
        assert_eq!(producer.service, "shop");
        let numbers: Vec<u64> = records
            .into_iter()
            .map(|bytes| Record::decode(bytes).unwrap().number)
            .collect();
        assert_eq!(numbers, [5, 6, 7]);
    }

    #[test]
    fn fields_may_come_in_any_order() {
        let whole = batch(5, 3);
        let records = RecordBatch {
            records: whole.records.clone(),
            ..RecordBatch::default()
        };
        let rest = RecordBatch {
            records: Vec::new(),
            ..whole
        };
        let body = [records.encode_to_vec(), rest.encode_to_vec()].concat();
        assert_eq!(parse(&body, 10).unwrap().numbers(), 5..8);
        let other = RecordBatch {
            first_record_number: 6,
            ..rest
        };
        let body = [records.encode_to_vec(), other.encode_to_vec()].concat();
        let odd = EnvelopeError::Number {
            index: 0,
            number: 5,
            expected: 6,
        };
        assert_eq!(parse(&body, 10), Err(odd));
    }

    #[test]
    fn unknown_fields_are_stepped_over() {
        let mut body = batch(1, 1).encode_to_vec();
        body.extend([0xa2, 0x06, 2, 1, 2]); // field 100, two bytes
        body.extend([0xa9, 0x06, 1, 2, 3, 4, 5, 6, 7, 8]); // field 101, fixed64
        assert_eq!(parse(&body, 10).unwrap().records_count, 1);
    }

    #[test]
    fn a_newer_major_version_is_named_even_if_the_rest_has_changed() {
        let body = RecordBatch {
            version: 2,
            producer_id: Bytes::new(),
            ..batch(1, 1)
        };
        assert_eq!(
            parse(&body.encode_to_vec(), 10),
            Err(EnvelopeError::Version(2))
        );
    }

    #[test]
    fn a_record_with_a_foreign_number_is_named() {
        let mut body = batch(5, 3);
        body.records[1].number = 9;
        let error = EnvelopeError::Number {
            index: 1,
            number: 9,
            expected: 6,
        };
        assert_eq!(parse(&body.encode_to_vec(), 10), Err(error));
    }

    proptest! {
        #[test]
        fn what_prost_decodes_has_the_same_envelope(first in 1_u64..1 << 40, count in 0_u64..20) {
            let envelope = parse(&batch(first, count).encode_to_vec(), 20).unwrap();
            prop_assert_eq!(u64::from(envelope.records_count), count);
            prop_assert_eq!(envelope.first_record_number, first);
        }

        #[test]
        fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            parse(&body, 5).ok();
            split(&Bytes::from(body)).ok();
        }

        #[test]
        fn a_cut_batch_is_never_taken_for_a_longer_one(cut in 0_usize..60) {
            let body = batch(1, 4).encode_to_vec();
            if let Ok(envelope) = parse(&body[..cut.min(body.len())], 10) {
                prop_assert!(envelope.records_count <= 4);
            }
        }
    }
}
