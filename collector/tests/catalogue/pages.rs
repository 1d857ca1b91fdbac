//! Parquet files of which the footer is right and a page is not, and one without rows: made of a good part,
//! written anew without compression, so that its pages can be changed byte by byte. Values that are wrong and can
//! be read are what each file has a checksum for.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;

use super::check;
use super::parquet::{dataset, read};

/// How the writer is set up to say of itself what the part at `path` says.
fn properties(path: &Path) -> WriterProperties {
    let file = File::open(path).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let key_values = builder.metadata().file_metadata().key_value_metadata();
    WriterProperties::builder()
        .set_key_value_metadata(key_values.cloned())
        .set_compression(Compression::UNCOMPRESSED)
        .build()
}

/// The rows of the part at `path`, without compression.
fn plain(path: &Path) -> Vec<u8> {
    let file = File::open(path).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = Arc::clone(builder.schema());
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties(path))).unwrap();
    for batch in builder.build().unwrap() {
        writer.write(&batch.unwrap()).unwrap();
    }
    writer.into_inner().unwrap()
}

/// A file of the columns of the part at `path`, with one row group, which has no rows.
fn empty(path: &Path) -> Vec<u8> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let schema = reader.metadata().file_metadata().schema_descr();
    let schema = schema.root_schema_ptr();
    let mut bytes = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties(path))).unwrap();
    let mut group = writer.next_row_group().unwrap();
    while let Some(column) = group.next_column().unwrap() {
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

/// Where the last page of the methods ends: the width of an index, how many groups of eight follow, and four
/// bytes of nine indices, of two bits each, into three methods.
fn methods_end(bytes: &[u8]) -> usize {
    let reader = SerializedFileReader::new(Bytes::copy_from_slice(bytes)).unwrap();
    let columns = reader.metadata().row_group(0).columns();
    let is_method = |path: String| path == "rpc_method";
    let mut methods = columns
        .iter()
        .filter(|column| is_method(column.column_path().string()));
    let (start, length) = methods.next().unwrap().byte_range();
    let end = usize::try_from(start + length).unwrap();
    assert_eq!(&bytes[end - 6..end - 4], &[2, 5], "not the page it was");
    end
}

type Make = fn(&Path) -> Vec<u8>;

#[test]
fn pages_that_contradict_their_dictionary_are_an_error_or_read_as_they_stand() {
    let cases: [(&str, Make, &str); 6] = [
        ("written anew", plain, "9 calls of 3 methods"),
        (
            "an index beyond the dictionary",
            |path| {
                let mut bytes = plain(path);
                let end = methods_end(&bytes);
                bytes[end - 4..end].fill(0xff);
                bytes
            },
            "decode FILE: not a readable Parquet file",
        ),
        (
            "indices of 254 bits",
            |path| {
                let mut bytes = plain(path);
                let end = methods_end(&bytes);
                bytes[end - 6] = 254;
                bytes
            },
            "decode FILE: not a readable Parquet file",
        ),
        (
            "indices of no bit",
            |path| {
                let mut bytes = plain(path);
                let end = methods_end(&bytes);
                bytes[end - 6] = 0;
                bytes
            },
            "9 calls of 1 methods",
        ),
        (
            "more indices than there are bytes",
            |path| {
                let mut bytes = plain(path);
                let end = methods_end(&bytes);
                bytes[end - 5] = 0x7f;
                bytes[end - 4..end].fill(0);
                bytes
            },
            "9 calls of 1 methods",
        ),
        ("a row group without rows", empty, "0 calls of 0 methods"),
    ];
    check(&cases, |make| {
        let (root, path) = dataset();
        fs::write(&path, make(&path)).unwrap();
        read(root.path(), &path)
    });
}
