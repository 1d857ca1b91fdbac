//! Profiles of calls, and how like they are.

use super::*;

type Half<'a> = &'a [&'a [u8]];

fn half(messages: Half<'_>) -> HalfShape {
    HalfShape {
        messages_count: Some(messages.len() as u64),
        messages: messages
            .iter()
            .map(|bytes| (bytes.len(), fields_of(bytes)))
            .collect(),
    }
}

/// `count` calls with these messages.
fn profile(count: usize, request: Half<'_>, response: Half<'_>) -> Profile {
    let mut profile = Profile::default();
    for _ in 0..count {
        profile.add(&CallShape {
            request: half(request),
            response: half(response),
            is_unimplemented: false,
        });
    }
    profile
}

const ONE: &[u8] = &[0x0a, 1, b'a'];
const TWO: &[u8] = &[0x12, 1, b'a'];
const NUMBER: &[u8] = &[0x08, 1];

#[test]
fn calls_of_equal_fields_and_sizes_are_the_same() {
    let (a, b) = (profile(8, &[ONE], &[TWO]), profile(100, &[ONE], &[TWO]));
    assert_eq!(a.likeness(&b), Likeness::Same);
    assert_eq!(b.likeness(&a), Likeness::Same);
}

#[test]
fn a_field_that_one_always_has_and_the_other_never_tells_them_apart() {
    let a = profile(8, &[ONE], &[TWO]);
    for other in [
        profile(8, &[TWO], &[TWO]),
        profile(8, &[NUMBER], &[TWO]),
        profile(8, &[ONE], &[&[TWO, &[0x18, 1]].concat()]),
        profile(8, &[ONE], &[b""]),
    ] {
        assert_eq!(a.likeness(&other), Likeness::Different);
    }
}

#[test]
fn streams_and_sizes_tell_calls_apart() {
    let a = profile(8, &[ONE], &[TWO]);
    let stream = profile(8, &[ONE], &[TWO, TWO]);
    assert_eq!(a.likeness(&stream), Likeness::Different);
    let long = [&[0x0a, 100][..], &[b'a'; 100]].concat();
    let large = profile(8, &[&long], &[TWO]);
    assert_eq!(a.likeness(&large), Likeness::Different);
}

#[test]
fn a_method_that_the_server_does_not_have_is_none_that_answers() {
    let mut absent = Profile::default();
    absent.add(&CallShape {
        request: half(&[ONE]),
        response: half(&[]),
        is_unimplemented: true,
    });
    let answered = profile(8, &[ONE], &[TWO]);
    assert_eq!(answered.likeness(&absent), Likeness::Different);
    assert_eq!(absent.likeness(&absent.clone()), Likeness::Unclear);
}

#[test]
fn too_few_messages_tell_nothing() {
    let a = profile(100, &[ONE], &[TWO]);
    assert_eq!(a.likeness(&profile(7, &[ONE], &[TWO])), Likeness::Unclear);
    assert_eq!(a.likeness(&profile(7, &[TWO], &[TWO])), Likeness::Unclear);
    assert!(a.may_be(&profile(7, &[ONE], &[TWO])));
    assert!(!a.may_be(&profile(7, &[TWO], &[TWO])));
    assert!(a.may_be(&profile(2, &[], &[])));
    assert!(!a.may_be(&profile(3, &[], &[])), "it would have answered");
}

#[test]
fn a_field_that_one_sets_at_times_and_the_other_never_leaves_it_unclear() {
    let optional = [ONE, TWO].concat();
    let mut a = profile(50, &[ONE], &[TWO]);
    for _ in 0..50 {
        let (request, response) = (half(&[&optional]), half(&[TWO]));
        a.add(&CallShape {
            request,
            response,
            is_unimplemented: false,
        });
    }
    assert_eq!(a.likeness(&profile(50, &[ONE], &[TWO])), Likeness::Unclear);
    let always = profile(50, &[&optional], &[TWO]);
    assert_eq!(a.likeness(&always), Likeness::Same, "a habit");
}

#[test]
fn what_is_no_protobuf_is_like_nothing() {
    let a = profile(20, &[b"\xff\xff"], &[TWO]);
    assert_eq!(a.likeness(&a.clone()), Likeness::Unclear);
}

#[test]
fn sizes_have_two_classes_for_each_power_of_two() {
    let classes = [0, 1, 2, 3, 4, 5, 6, 7, 8].map(size_class);
    assert_eq!(classes, [0, 1, 3, 4, 5, 5, 6, 6, 7]);
    assert_eq!(size_class(usize::MAX), SIZES_COUNT - 1);
}
