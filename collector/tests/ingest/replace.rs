//! What was ingested before: replaced where that is asked for.

use crate::Place;
use crate::before::{CAPTURE, OTHER, accountings, calls, ingested, losses, refused};

#[test]
fn what_was_ingested_before_is_replaced_where_that_is_asked_for() {
    let place = Place::new();
    let told = ingested(&place, &["--replace", CAPTURE]);
    assert!(told.contains("has no calls of these files"), "{told}");
    let once = calls(&place);
    ingested(&place, &["--again", CAPTURE]);
    ingested(&place, &[OTHER]);
    let all = calls(&place);
    let told = ingested(&place, &["--replace", CAPTURE]);
    let expected = format!("is replaced: its {once} calls are removed");
    assert_eq!(told.matches(&expected).count(), 2, "{told}");
    assert_eq!((calls(&place), losses(&place)), (all - once, 0));
    assert_eq!(accountings(&place).len(), 2);
    let both = refused(&place, &["--replace", "--again", CAPTURE]);
    assert!(both.contains("cannot be used with"), "{both}");
    for option in ["--replace", "--again"] {
        for format in ["ndjson", "none"] {
            let told = refused(&place, &[option, "--format", format, CAPTURE]);
            let expected = format!("{option} is about calls of the data directory");
            assert!(told.contains(&expected), "{told}");
        }
    }
}

#[test]
fn files_that_were_ingested_together_are_replaced_together() {
    let place = Place::new();
    ingested(&place, &[CAPTURE, OTHER]);
    let before = calls(&place);
    let told = refused(&place, &["--replace", CAPTURE]);
    assert!(told.contains("together with"), "{told}");
    assert!(
        told.contains("ingest all of its files with --replace"),
        "{told}"
    );
    assert_eq!(calls(&place), before);
    ingested(&place, &["--replace", OTHER, CAPTURE]);
    assert_eq!((calls(&place), accountings(&place).len()), (before, 1));
}
