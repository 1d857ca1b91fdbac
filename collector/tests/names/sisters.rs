//! Sister connections: calls whose method was seen name those that look alike.

use crate::client::{Client, number, pcap, text};
use crate::run::run;

const GET: &str = "/shop.v1.Shop/Get";
const PUT: &str = "/shop.v1.Shop/Put";
const LIST: &str = "/shop.v1.Shop/List";

/// One of each method: their messages have different fields.
fn distinct(client: &mut Client, round: usize) {
    let id = format!("item {round}");
    client.call(GET, &text(1, &id), &[text(1, &id), number(2, 9)].concat());
    client.call(PUT, &[text(1, &id), number(2, 9)].concat(), &[]);
    client.call(LIST, &number(3, 7), &text(1, &id).repeat(round % 7 + 3));
}

fn rounds(mut client: Client, count: usize, call: impl Fn(&mut Client, usize)) -> Client {
    for round in 0..count {
        call(&mut client, round);
    }
    client
}

#[test]
fn a_sister_connection_names_the_calls_of_another() {
    let whole = rounds(Client::new(40_001), 20, distinct).whole();
    let late = rounds(Client::new(40_002), 20, distinct).without_first(6);
    for threads_count in [1, 2, 3] {
        // The sister may come earlier, in another file, or later.
        let run = run(&[&pcap(&whole), &pcap(&late)], None, threads_count);
        assert_eq!(run.named(40_001), (0, 0));
        assert_eq!(run.named(40_002), (54, 54), "{:?}", run.names(40_002));
        let expected = [GET, LIST, PUT].map(|method| (method, "inferred"));
        assert_eq!(run.names(40_002), expected);
        assert_eq!(run.ingested.names.by_sister, 54);
        assert_eq!(run.ingested.calls.incomplete, 54);
    }
    let run = run(&[&pcap(&late), &pcap(&whole)], None, 2);
    assert_eq!(run.named(40_002), (54, 54));
}

#[test]
fn methods_that_look_alike_give_no_name() {
    let alike = |client: &mut Client, round: usize| {
        let id = format!("item {round}");
        for method in [GET, PUT] {
            client.call(method, &text(1, &id), &text(2, &id));
        }
        client.call(LIST, &number(3, 7), &text(1, &id));
    };
    let whole = rounds(Client::new(40_001), 30, alike).whole();
    let late = rounds(Client::new(40_002), 30, alike).without_first(3);
    let run = run(&[&pcap(&whole), &pcap(&late)], None, 2);
    assert_eq!(run.named(40_002), (87, 29));
    assert!(run.names(40_002).contains(&(LIST, "inferred")));
}

#[test]
fn two_classes_are_never_given_one_name() {
    let both = |client: &mut Client, round: usize| {
        let id = format!("item {round}");
        for method in [GET, PUT] {
            client.call(method, &text(1, &id), &text(2, &id));
        }
    };
    let one = |client: &mut Client, round: usize| {
        let id = format!("item {round}");
        client.call(GET, &text(1, &id), &text(2, &id));
    };
    // The sister never called the other method, which looks the same.
    let whole = rounds(Client::new(40_001), 30, one).whole();
    let late = rounds(Client::new(40_002), 30, both).without_first(2);
    let run = run(&[&pcap(&whole), &pcap(&late)], None, 2);
    assert_eq!(run.named(40_002), (58, 0), "{:?}", run.names(40_002));
}

#[test]
fn a_name_seen_later_is_not_given_to_what_came_before() {
    let one = |client: &mut Client, round: usize| {
        let id = format!("item {round}");
        client.call(GET, &text(1, &id), &text(2, &id));
    };
    let whole = rounds(Client::new(40_001), 30, one).whole();
    let mut late = Client::new(40_002);
    late = rounds(late, 20, |client, round| {
        let id = format!("item {round}");
        client.call(PUT, &text(1, &id), &text(2, &id));
    });
    let late = rounds(late, 20, one).without_first(2);
    let run = run(&[&pcap(&whole), &pcap(&late)], None, 2);
    assert_eq!(run.named(40_002), (18, 0), "{:?}", run.names(40_002));
}

#[test]
fn few_calls_give_no_name() {
    let whole = rounds(Client::new(40_001), 10, distinct).whole();
    let late = rounds(Client::new(40_002), 30, distinct).without_first(6);
    let few_seen = run(&[&pcap(&whole), &pcap(&late)], None, 2);
    assert_eq!(few_seen.named(40_002), (84, 0));
    let whole = rounds(Client::new(40_001), 30, distinct).whole();
    let late = rounds(Client::new(40_002), 7, distinct).without_first(3);
    let few_unseen = run(&[&pcap(&whole), &pcap(&late)], None, 2);
    assert_eq!(few_unseen.named(40_002), (18, 0));
}

#[test]
fn another_kind_of_client_is_no_sister() {
    let whole = rounds(Client::path_first(40_001), 20, distinct).whole();
    let late = rounds(Client::new(40_002), 20, distinct).without_first(6);
    let other_kind = run(&[&pcap(&whole), &pcap(&late)], None, 2);
    assert_eq!(other_kind.named(40_002), (54, 0));
    let late = rounds(Client::path_first(40_002), 20, distinct).without_first(6);
    let same_kind = run(&[&pcap(&whole), &pcap(&late)], None, 2);
    assert_eq!(same_kind.named(40_002), (54, 54));
}
