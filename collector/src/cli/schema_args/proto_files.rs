//! `.proto` files to descriptors, without protoc.
//!
//! What can be read and is no valid definition is a [`UsageError`], what cannot be read is another error.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use prost_reflect::prost::Message as _;
use walkdir::WalkDir;

use crate::cli::UsageError;

/// `.proto` files looked for below a folder at most.
const PROTO_FILES_MAX: usize = 10_000;

/// What the library says of a file in an edition.
const IN_AN_EDITION: &str = "but found 'edition'";

/// The files of `option` as one encoded `FileDescriptorSet`.
pub(super) fn compile(
    option: &str,
    proto: &[PathBuf],
    proto_path: &[PathBuf],
) -> anyhow::Result<Vec<u8>> {
    let mut files = Vec::new();
    let mut folders = proto_path.to_vec();
    for path in proto {
        std::fs::metadata(path).with_context(|| format!("failed to read {}", path.display()))?;
        let below = if path.is_dir() {
            Some(proto_files(path)?)
        } else {
            None
        };
        if proto_path.is_empty() {
            let folder = match below {
                Some(_) => path.as_path(),
                None => path.parent().unwrap_or(Path::new("")),
            };
            folders.push(folder.to_owned());
        }
        files.extend(below.unwrap_or_else(|| vec![path.clone()]));
    }
    let failed = |error: protox::Error| {
        // What is wrong with a file is in its debug form, with line and column.
        let mut what = format!("{error:?}");
        // But for a file that ends too early.
        if let Some(file) = error.file().filter(|file| !what.contains(file)) {
            what = format!("{file}: {what}");
        }
        let mut text = format!("failed to compile {option}: {what}");
        if text.contains(IN_AN_EDITION) {
            text += ": files in an edition are to be given as descriptors, which \
                     protoc --include_imports -o FILE makes";
        }
        if is_import_missing(&text) {
            text += ": --proto-path DIR (-I) says where imports are looked for, such as the folder \
                     that they are named from";
        }
        match error.is_io() {
            true => anyhow::anyhow!(text),
            false => UsageError::error(text),
        }
    };
    let mut compiler = protox::Compiler::new(folders).map_err(failed)?;
    compiler.include_imports(true);
    compiler.open_files(&files).map_err(failed)?;
    Ok(compiler.file_descriptor_set().encode_to_vec())
}

/// Does it say that an import was not found?
fn is_import_missing(text: &str) -> bool {
    text.contains("import '") && text.contains("not found")
}

/// All `.proto` files below `folder`, in order of name.
fn proto_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    // Links are not followed: they may lead round in a circle.
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry =
            entry.with_context(|| format!("failed to read the folder {}", folder.display()))?;
        let path = entry.path();
        if !entry.file_type().is_dir() && path.extension().is_some_and(|ending| ending == "proto") {
            // A link may lead nowhere.
            std::fs::metadata(path)
                .with_context(|| format!("failed to read {}", path.display()))?;
            found.push(entry.into_path());
        }
        if found.len() > PROTO_FILES_MAX {
            return Err(UsageError::error(format!(
                "more than {PROTO_FILES_MAX} .proto files are below {}",
                folder.display()
            )));
        }
    }
    if found.is_empty() {
        return Err(UsageError::error(format!(
            "no .proto file is below {}",
            folder.display()
        )));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Schema;

    const IMPORTED: &str = "syntax = \"proto3\"; package a; message Query { string id = 1; }";
    const SERVICE: &str = "syntax = \"proto3\"; package b; import \"a/query.proto\";\n\
        service S { rpc Get(a.Query) returns (a.Query); }";

    fn folder(service: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join("a/query.proto"), IMPORTED).unwrap();
        std::fs::write(folder.path().join("service.proto"), service).unwrap();
        folder
    }

    fn compiled(path: &Path) -> anyhow::Result<Schema> {
        let mut schema = Schema::default();
        schema.add_descriptor_set(&compile("--proto", &[path.to_owned()], &[])?)?;
        Ok(schema)
    }

    #[test]
    fn a_file_and_a_folder_are_compiled_with_imports() {
        let folder = folder(SERVICE);
        for path in [
            folder.path().to_owned(),
            folder.path().join("service.proto"),
        ] {
            assert!(compiled(&path).unwrap().knows("b.S/Get"));
        }
    }

    #[test]
    fn what_cannot_be_compiled_is_named_with_its_place() {
        let folder = folder("syntax = \"proto3\";\nservice S { rpc Get(Gone) returns (Gone); }");
        let error = compiled(folder.path()).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("service.proto:2:"), "{text}");
        assert!(text.contains("Gone"), "{text}");
        assert!(error.is::<UsageError>());
        let empty = tempfile::tempdir().unwrap();
        let error = compiled(empty.path()).unwrap_err();
        assert!(format!("{error:#}").contains("no .proto file"));
        assert!(error.is::<UsageError>());
    }

    #[test]
    fn a_file_that_ends_too_early_is_named() {
        let folder = folder("syntax = \"proto3\"; message M {");
        let text = format!("{:#}", compiled(folder.path()).unwrap_err());
        assert!(text.contains("service.proto"), "{text}");
    }

    #[test]
    fn of_an_import_that_is_not_found_is_said_where_it_is_looked_for() {
        let folder = folder(SERVICE);
        let file = folder.path().join("a/service.proto");
        std::fs::write(&file, SERVICE).unwrap();
        let error = compiled(&file).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("a/query.proto"), "{text}");
        assert!(text.contains("--proto-path DIR (-I)"), "{text}");
        assert!(error.is::<UsageError>());
    }

    #[test]
    fn of_a_file_in_an_edition_is_said_what_to_do() {
        let folder = folder("edition = \"2023\";\nmessage M {}");
        let text = format!("{:#}", compiled(folder.path()).unwrap_err());
        assert!(text.contains("to be given as descriptors"), "{text}");
    }

    #[test]
    fn what_cannot_be_read_is_no_usage_error() {
        let link = |to: &str| {
            let folder = folder(SERVICE);
            std::os::unix::fs::symlink(to, folder.path().join("linked.proto")).unwrap();
            (compiled(folder.path()).unwrap_err(), "linked.proto")
        };
        let not_listed = (
            proto_files(Path::new("/does/not/exist")).unwrap_err(),
            "/does/not/exist",
        );
        // A folder that looks like a file, a link to nowhere, one that goes round in a circle.
        for (error, name) in [link("a"), link("gone"), link("linked.proto"), not_listed] {
            let text = format!("{error:#}");
            assert!(text.contains(name), "{text}");
            let is_usage = error.chain().any(|cause| cause.is::<UsageError>());
            assert!(!is_usage, "{text}");
        }
    }
}
