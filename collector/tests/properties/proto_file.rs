//! `.proto` files: what compiles and has a service is taken, whatever else it says.

use prost::Message as _;
use protox::file::{File, FileResolver, GoogleFileResolver};
use twintap::compare::{Schema, SchemaError};

use super::descriptor_set::assert_usable;

const NAME: &str = "it.proto";

/// The one file, and protobuf's own.
struct Only(String);

impl FileResolver for Only {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            NAME => File::from_source(name, &self.0),
            other => GoogleFileResolver::new().open_file(other),
        }
    }
}

/// `bytes` are a file.
pub(crate) fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut compiler = protox::Compiler::with_file_resolver(Only(text));
    compiler.include_imports(true);
    if let Err(error) = compiler.open_file(NAME) {
        assert!(!error.to_string().is_empty());
        return;
    }
    let set = compiler.file_descriptor_set().encode_to_vec();
    let mut schema = Schema::default();
    match schema.add_descriptor_set(&set) {
        Ok(()) => assert_usable(&schema, bytes),
        Err(SchemaError::NoService) => {}
        Err(error) => panic!("compiled, and not taken: {error}"),
    }
}
