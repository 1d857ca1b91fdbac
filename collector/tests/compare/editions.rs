//! Descriptors in editions mean what their twins in proto2 and proto3 mean, as protoc writes all of them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use prost_reflect::{DescriptorPool, Value};
use twintap::compare::Schema;

use crate::venv::python;

/// What old files look like once they are in an edition: everything as before, said by features.
const PROTO2: &str = r#"
syntax = "proto2";
package shop;
import "google/protobuf/any.proto";
message Ticket {
  required string id = 1;
  optional int32 priority = 2 [default = 3];
  repeated group Comment = 3 { required string author = 5; optional Level level = 6; }
  repeated sint32 votes = 8 [packed = true];
  repeated int64 seen = 9;
  map<string, Ticket> children = 10;
  oneof target { string name = 11; int64 number = 12; }
  optional google.protobuf.Any any = 13;
  extensions 100 to 199;
}
enum Level { LOW = 1; HIGH = 2; }
extend Ticket { optional string note = 100; }
service Tickets { rpc Get(Ticket) returns (stream Ticket); }
"#;
const OLD_EDITION: &str = r#"
edition = "2023";
package shop;
import "google/protobuf/any.proto";
option features.enum_type = CLOSED;
option features.repeated_field_encoding = EXPANDED;
option features.utf8_validation = NONE;
option features.message_encoding = DELIMITED;
message Ticket {
  string id = 1 [features.field_presence = LEGACY_REQUIRED];
  int32 priority = 2 [default = 3];
  repeated Comment comment = 3;
  message Comment {
    string author = 5 [features.field_presence = LEGACY_REQUIRED];
    Level level = 6;
  }
  repeated sint32 votes = 8 [features.repeated_field_encoding = PACKED];
  repeated int64 seen = 9;
  map<string, Ticket> children = 10;
  oneof target { string name = 11; int64 number = 12; }
  google.protobuf.Any any = 13 [features.message_encoding = LENGTH_PREFIXED];
  extensions 100 to 199;
}
enum Level { LOW = 1; HIGH = 2; }
extend Ticket { string note = 100; }
service Tickets { rpc Get(Ticket) returns (stream Ticket); }
"#;
const PROTO3: &str = r#"
syntax = "proto3";
package shop;
message Order {
  string id = 1;
  optional int32 count = 2;
  Line line = 3;
  message Line { double price = 1; optional State state = 2; }
  repeated int32 packed = 4;
  repeated int32 expanded = 5 [packed = false];
  oneof pay { string card = 6; bool cash = 7; }
  map<int32, Line> lines = 8;
}
enum State { UNKNOWN = 0; OPEN = 1; }
service Orders { rpc Get(Order) returns (Order); }
"#;
const NEW_EDITION: &str = r#"
edition = "2023";
package shop;
option features.field_presence = IMPLICIT;
message Order {
  string id = 1;
  int32 count = 2 [features.field_presence = EXPLICIT];
  Line line = 3 [features.field_presence = EXPLICIT];
  message Line { double price = 1; State state = 2 [features.field_presence = EXPLICIT]; }
  repeated int32 packed = 4;
  repeated int32 expanded = 5 [features.repeated_field_encoding = EXPANDED];
  oneof pay { string card = 6; bool cash = 7; }
  map<int32, Line> lines = 8;
  enum Mark { NONE = 0; _count = 1; }
}
enum State { UNKNOWN = 0; OPEN = 1; }
service Orders { rpc Get(Order) returns (Order); }
"#;

/// Features of each thing that can say them, against those above.
const MIXED_PROTO2: &str = r#"
syntax = "proto2";
package shop;
message Parcel {
  optional Box small = 1;
  optional string box = 2;
  oneof content { group Inner = 3 { optional int32 size = 1; } Box other = 4; }
  message Box { repeated int32 sizes = 1; optional Kind kind = 2; extensions 10 to 20; }
  extend Box { repeated int32 weights = 10; optional int32 height = 11; }
}
enum Kind { SMALL = 1; LARGE = 2; }
service Parcels { rpc Get(Parcel) returns (Parcel); }
"#;
const MIXED_EDITION: &str = r#"
edition = "2023";
package shop;
option features.repeated_field_encoding = EXPANDED;
message Parcel {
  Box small = 1;
  string box = 2;
  oneof content { Inner inner = 3 [features.message_encoding = DELIMITED]; Box other = 4; }
  message Inner { int32 size = 1; }
  message Box { repeated int32 sizes = 1; Kind kind = 2; extensions 10 to 20; }
  extend Box { repeated int32 weights = 10; int32 height = 11; }
}
enum Kind { option features.enum_type = CLOSED; SMALL = 1; LARGE = 2; }
service Parcels { rpc Get(Parcel) returns (Parcel); }
"#;

/// Extensions have presence whatever is said above them, and so have messages.
const EXTENDED_PROTO2: &str = r#"
syntax = "proto2";
package shop;
message Note { optional Note next = 1; extensions 10 to 20; }
enum Kind { SHORT = 1; }
extend Note { optional Kind kind = 10; }
service Notes { rpc Get(Note) returns (Note); }
"#;
const EXTENDED_EDITION: &str = r#"
edition = "2023";
package shop;
option features.field_presence = IMPLICIT;
option features.enum_type = CLOSED;
message Note { Note next = 1; extensions 10 to 20; }
enum Kind { SHORT = 1; }
extend Note { Kind kind = 10; }
service Notes { rpc Get(Note) returns (Note); }
"#;

/// A descriptor set by the real protoc.
fn compiled(proto: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (file, set) = (folder.path().join("shop.proto"), folder.path().join("set"));
    std::fs::write(&file, proto).unwrap();
    let option = |name: &str, path: &Path| format!("{name}{}", path.display());
    let output = Command::new(python())
        .args(["-m", "grpc_tools.protoc", "--include_imports"])
        .args([option("-I", folder.path()), option("-o", &set)])
        .arg(&file)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    std::fs::read(set).unwrap()
}

/// The same in another edition; that of 2024 looks at names.
fn of_edition(proto: &str, edition: &str) -> String {
    let any_names = "package shop;\noption features.enforce_naming_style = STYLE_LEGACY;";
    match edition {
        "2023" => proto.to_owned(),
        _ => proto
            .replace("2023", edition)
            .replace("package shop;", any_names),
    }
}

fn schema(proto: &str) -> Schema {
    let mut schema = Schema::default();
    schema.add_descriptor_set(&compiled(proto)).unwrap();
    schema
}

/// What differs, a line each.
fn differences(old: &str, new: &str) -> Vec<String> {
    let both = schema(old).with_candidate(&schema(new));
    let changes = both.drift().unwrap().changes().iter();
    changes.map(|change| format!("{change:?}")).collect()
}

/// What a reader of messages has to know of each field and extension, a line each.
fn readings(pool: &DescriptorPool) -> BTreeSet<String> {
    let mut readings = BTreeSet::new();
    for message in pool.all_messages() {
        for field in message.fields() {
            let (presence, cardinality) = (field.supports_presence(), field.cardinality());
            let shape = (field.is_packed(), field.is_group(), field.is_map());
            let default = scalar(&field.default_value());
            readings.insert(format!(
                "{} {presence} {cardinality:?} {shape:?} {default}",
                field.full_name()
            ));
        }
        for field in message.extensions() {
            let (presence, cardinality) = (field.supports_presence(), field.cardinality());
            let (packed, default) = (field.is_packed(), scalar(&field.default_value()));
            readings.insert(format!(
                "{} {presence} {cardinality:?} {packed} {default}",
                field.full_name()
            ));
        }
    }
    readings
}

/// Of a message its type says all.
fn scalar(default: &Value) -> String {
    match default {
        Value::Message(_) => String::new(),
        other => format!("{other:?}"),
    }
}

#[test]
fn files_in_an_edition_are_read_as_their_older_twins() {
    let twins = [
        (PROTO2, OLD_EDITION),
        (PROTO3, NEW_EDITION),
        (MIXED_PROTO2, MIXED_EDITION),
        (EXTENDED_PROTO2, EXTENDED_EDITION),
    ];
    for (old, new) in twins {
        let expected = schema(old).pool().clone();
        for edition in ["2023", "2024"] {
            let new = of_edition(new, edition);
            assert_eq!(differences(old, &new), Vec::<String>::new(), "{edition}");
            assert_eq!(
                readings(schema(&new).pool()),
                readings(&expected),
                "{edition}"
            );
        }
    }
}

#[test]
fn what_editions_change_is_seen() {
    let implicit = "option features.field_presence = IMPLICIT;";
    let explicit = NEW_EDITION.replace(implicit, "");
    let found = differences(NEW_EDITION, &explicit).join("\n");
    assert!(found.contains("FieldPresence"), "{found}");

    let open = OLD_EDITION.replace("option features.enum_type = CLOSED;", "");
    let found = differences(OLD_EDITION, &open.replace("LOW = 1", "LOW = 0"));
    assert!(found.join("\n").contains("EnumOpenness"), "{found:?}");

    let prefixed = "features.message_encoding = LENGTH_PREFIXED";
    let found = differences(
        OLD_EDITION,
        &OLD_EDITION.replace(
            "repeated Comment comment = 3",
            &format!("repeated Comment comment = 3 [{prefixed}]"),
        ),
    );
    assert!(
        found.join("\n").contains("shop.Ticket.comment"),
        "{found:?}"
    );
}

#[test]
fn what_neither_older_syntax_can_say_is_refused_by_name() {
    let explicit = "string box = 2;";
    let implicit = "string box = 2 [features.field_presence = IMPLICIT];";
    let both = compiled(&MIXED_EDITION.replace(explicit, implicit));
    let refused = Schema::default().add_descriptor_set(&both);
    let told = refused.unwrap_err().to_string();
    assert!(
        told.contains("enum \"Kind\" does not begin with 0"),
        "{told}"
    );
}
