//! The options that name message types: descriptor sets, `.proto` files, a server with reflection;
//! others for the candidate, where its types are not the primary's.

mod proto_files;

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::UsageError;
use crate::compare::Schema;
use crate::sources::reflection;

/// Bytes of one descriptor set file.
const DESCRIPTOR_SET_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Options that say what messages are.
#[derive(Debug, Default, clap::Args)]
pub(super) struct TypeArgs {
    /// FileDescriptorSet of the services, with imports; may be given several times. Without types,
    /// messages are read by wire field
    #[arg(long, value_name = "FILE")]
    descriptors: Vec<PathBuf>,

    /// A `.proto` file, or a folder of them, instead of or besides descriptors; no protoc is needed
    #[arg(long, value_name = "FILE_OR_DIR")]
    proto: Vec<PathBuf>,

    /// A running server that is asked for its types by gRPC reflection, in plain text (h2c)
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    reflect: Option<String>,

    /// Where imports of .proto files are looked for, in this order [default: the folder given, or
    /// that of the file]
    #[arg(short = 'I', long, value_name = "DIR")]
    proto_path: Vec<PathBuf>,

    /// Write the types that were found as a FileDescriptorSet, to be used as --descriptors later
    #[arg(long, value_name = "FILE")]
    save_descriptors: Option<PathBuf>,
}

/// The same, and what the candidate's messages are where they are others.
#[derive(Debug, Default, clap::Args)]
pub(super) struct SchemaArgs {
    #[command(flatten)]
    primary: TypeArgs,

    /// Descriptors of the candidate, where they are not the primary's: both are compared by field
    /// number, and how the types differ is part of the report
    #[arg(long, value_name = "FILE")]
    candidate_descriptors: Vec<PathBuf>,

    /// Likewise, `.proto` files of the candidate
    #[arg(long, value_name = "FILE_OR_DIR")]
    candidate_proto: Vec<PathBuf>,

    /// Likewise, a server of the candidate
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    candidate_reflect: Option<String>,

    /// Write the types of the candidate that were found
    #[arg(long, value_name = "FILE")]
    save_candidate_descriptors: Option<PathBuf>,
}

/// Where the types of one side come from.
struct Sources<'a> {
    descriptors: &'a [PathBuf],
    proto: &'a [PathBuf],
    /// The option that names those.
    proto_option: &'static str,
    proto_path: &'a [PathBuf],
    reflect: Option<&'a str>,
    save: Option<&'a Path>,
}

impl TypeArgs {
    /// Is any type named?
    pub(super) fn are_given(&self) -> bool {
        self.sources().are_given()
    }

    /// Reads them all; `None` if none is named.
    pub(super) fn load(&self) -> anyhow::Result<Option<Schema>> {
        if !self.proto_path.is_empty() && self.proto.is_empty() {
            return Err(no_proto());
        }
        self.sources().load()
    }

    fn sources(&self) -> Sources<'_> {
        Sources {
            descriptors: &self.descriptors,
            proto: &self.proto,
            proto_option: "--proto",
            proto_path: &self.proto_path,
            reflect: self.reflect.as_deref(),
            save: self.save_descriptors.as_deref(),
        }
    }
}

fn no_proto() -> anyhow::Error {
    UsageError::error("--proto-path is for .proto files, and none is given")
}

impl SchemaArgs {
    /// Reads them all; `None` if none is named.
    pub(super) fn load(&self) -> anyhow::Result<Option<Schema>> {
        let has_proto = !self.primary.proto.is_empty() || !self.candidate_proto.is_empty();
        if !self.primary.proto_path.is_empty() && !has_proto {
            return Err(no_proto());
        }
        let (primary, candidate) = (self.primary.sources().load()?, self.candidate().load()?);
        match (primary, candidate) {
            (None, Some(_)) => Err(UsageError::error(
                "types of the candidate are given and none of the primary: \
                 give --descriptors, --proto or --reflect",
            )),
            (primary, None) => Ok(primary),
            (Some(primary), Some(candidate)) => Ok(Some(primary.with_candidate(&candidate))),
        }
    }

    fn candidate(&self) -> Sources<'_> {
        Sources {
            descriptors: &self.candidate_descriptors,
            proto: &self.candidate_proto,
            proto_option: "--candidate-proto",
            proto_path: &self.primary.proto_path,
            reflect: self.candidate_reflect.as_deref(),
            save: self.save_candidate_descriptors.as_deref(),
        }
    }
}

impl Sources<'_> {
    fn are_given(&self) -> bool {
        !self.descriptors.is_empty() || !self.proto.is_empty() || self.reflect.is_some()
    }

    fn load(&self) -> anyhow::Result<Option<Schema>> {
        if !self.are_given() {
            return match self.save {
                Some(file) => Err(UsageError::error(format!(
                    "there are no types to write to {}",
                    file.display()
                ))),
                None => Ok(None),
            };
        }
        let mut schema = Schema::default();
        for file in self.descriptors {
            let name = file.display();
            let encoded =
                read(file).with_context(|| format!("failed to read descriptors {name}"))?;
            schema.add_descriptor_set(&encoded).map_err(|error| {
                UsageError::error(format!("failed to use descriptors {name}: {error}"))
            })?;
        }
        if !self.proto.is_empty() {
            let option = self.proto_option;
            let encoded = proto_files::compile(option, self.proto, self.proto_path)?;
            schema.add_descriptor_set(&encoded).map_err(|error| {
                UsageError::error(format!("failed to use the files of {option}: {error}"))
            })?;
        }
        if let Some(address) = self.reflect {
            let encoded = ask(address)?;
            let added = schema.add_descriptor_set(&encoded);
            added.with_context(|| format!("failed to use what {address} told of its types"))?;
        }
        if let Some(file) = self.save {
            std::fs::write(file, schema.to_descriptor_set())
                .with_context(|| format!("failed to write descriptors {}", file.display()))?;
        }
        Ok(Some(schema))
    }
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let length = std::fs::metadata(file)?.len();
    if length > DESCRIPTOR_SET_BYTES_MAX {
        let text = format!("{length} bytes, more than {DESCRIPTOR_SET_BYTES_MAX}");
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, text));
    }
    std::fs::read(file)
}

fn ask(address: &str) -> anyhow::Result<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    runtime
        .block_on(reflection::descriptor_set(address))
        .with_context(|| format!("failed to ask {address} for its types"))
}

/// `HOST:PORT`, `[IPV6]:PORT`.
fn address(text: &str) -> Result<String, String> {
    let (host, port) = text
        .rsplit_once(':')
        .ok_or("the port is missing: give HOST:PORT")?;
    if text.contains("//") {
        return Err("give HOST:PORT without a scheme; it is asked in plain text (h2c)".to_owned());
    }
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    if host.is_empty() || host.contains(['/', '@', ' ']) || host.contains(':') && !is_bracketed {
        return Err("the host is malformed: give HOST:PORT, or [IPV6]:PORT".to_owned());
    }
    match port.parse::<u16>() {
        Ok(1..) => Ok(text.to_owned()),
        _ => Err(format!("{port:?} is no port from 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(proto: &str) -> (tempfile::TempDir, TypeArgs) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.proto");
        std::fs::write(&path, proto).unwrap();
        let args = TypeArgs {
            proto: vec![path],
            ..TypeArgs::default()
        };
        (folder, args)
    }

    const SERVICE: &str = "syntax = \"proto3\"; package a; message M { string id = 1; }\n\
        service S { rpc Get(M) returns (M); }";

    #[test]
    fn what_was_found_can_be_saved_and_used_again() {
        let (folder, mut args) = types(SERVICE);
        let file = folder.path().join("saved.binpb");
        args.save_descriptors = Some(file.clone());
        args.load().unwrap();
        let saved = TypeArgs {
            descriptors: vec![file],
            ..TypeArgs::default()
        };
        assert!(saved.load().unwrap().unwrap().knows("a.S/Get"));
    }

    #[test]
    fn options_that_lead_nowhere_are_refused() {
        let (_folder, args) = types(SERVICE);
        let candidate_only = SchemaArgs {
            candidate_proto: args.proto,
            ..SchemaArgs::default()
        };
        let nothing_to_save = TypeArgs {
            save_descriptors: Some("x".into()),
            ..TypeArgs::default()
        };
        let nothing_to_import = TypeArgs {
            proto_path: vec!["x".into()],
            ..TypeArgs::default()
        };
        let both = [nothing_to_save, nothing_to_import].map(|primary| SchemaArgs {
            primary,
            ..SchemaArgs::default()
        });
        for args in both.into_iter().chain([candidate_only]) {
            let error = args.load().unwrap_err();
            assert!(error.is::<UsageError>(), "{error}");
        }
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for right in ["localhost:50051", "127.0.0.1:1", "[::1]:65535", "a.b-c:80"] {
            assert_eq!(address(right).as_deref(), Ok(right));
        }
        for wrong in [
            "localhost",
            "localhost:0",
            "localhost:65536",
            ":1",
            "::1:80",
            "http://a:80",
            "https://a:80",
            "a:b",
            "a/b:1",
            "u@a:1",
            "",
        ] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
