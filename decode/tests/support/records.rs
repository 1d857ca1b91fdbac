//! The records of a classic capture, for tests that take some of them out.

/// Where the records of a classic little-endian capture begin, and its end.
pub(crate) fn records(capture: &[u8]) -> Vec<usize> {
    const FILE_HEADER: usize = 24;
    const RECORD_HEADER: usize = 16;
    let mut places = vec![FILE_HEADER];
    while let Some(header) = capture
        .get(places[places.len() - 1]..)
        .filter(|r| !r.is_empty())
    {
        let length = u32::from_le_bytes(header[8..12].try_into().unwrap());
        let length = usize::try_from(length).unwrap();
        places.push(places[places.len() - 1] + RECORD_HEADER + length);
    }
    places
}
