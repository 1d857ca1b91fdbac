//! The envelope of a batch: whoever it is from and whatever is in it, it is what prost reads.

use bytes::Bytes;
use twintap_decode::envelope::{headers_count, parse, split};
use twintap_record::{HeaderBlock, Message, Record, RecordBatch};

/// Few, so that short inputs reach it.
const RECORDS_MAX: u32 = 16;

/// `bytes` are a batch.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(envelope) = parse(bytes, RECORDS_MAX) else {
        return;
    };
    assert!(envelope.records_count <= RECORDS_MAX);
    // What was taken can be published: the journal keeps the bytes, and they are split only then.
    let body = Bytes::copy_from_slice(bytes);
    let (producer, records) = split(&body).unwrap();
    assert_eq!(records.len(), envelope.records_count as usize);
    let Ok(batch) = RecordBatch::decode(bytes) else {
        // A record that cannot be read costs itself only.
        let is_readable = |record: &Bytes| Record::decode(&record[..]).is_ok();
        assert!(!records.iter().all(is_readable));
        return;
    };
    assert_eq!(envelope.producer_id, batch.producer_id[..]);
    assert_eq!(envelope.batch_sequence, batch.batch_sequence);
    assert_eq!(envelope.first_record_number, batch.first_record_number);
    assert_eq!(envelope.counters, batch.counters);
    assert_eq!(producer, batch.producer.unwrap_or_default());
    for (ours, theirs) in records.iter().zip(&batch.records) {
        assert_eq!(Record::decode(&ours[..]).as_ref(), Ok(theirs));
        let blocks = [
            &theirs.request_headers,
            &theirs.request_trailers,
            &theirs.response_headers,
            &theirs.response_trailers,
        ];
        let count = |block: &HeaderBlock| block.headers.len();
        let count: usize = blocks.into_iter().flatten().map(count).sum();
        assert_eq!(headers_count(ours), count);
    }
}
