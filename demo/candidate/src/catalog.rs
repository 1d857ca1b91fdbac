//! The shop's data, computed from numbers: a port of `demo/primary/catalog.py`.
//!
//! No database, no clock, no randomness, so that two implementations can agree to the last bit.

use crate::pb::{
    Address, BankTransfer, CardPayment, Customer, Order, OrderLine, OrderState, order::Payment,
};
use prost_types::{Duration, Timestamp};

/// Highest order number.
pub(crate) const ORDERS_COUNT: u32 = 5000;
/// 2025-01-01T00:00:00Z.
pub(crate) const FIRST_DAY: i64 = 1_735_689_600;

/// SKU, title, unit price.
type Product = (&'static str, &'static str, f64);
/// Name, country, latitude, longitude.
type City = (&'static str, &'static str, f64, f64);

const PRODUCTS: [Product; 12] = [
    ("TEA-100", "Darjeeling first flush, 100 g", 12.95),
    ("TEA-250", "Assam, 250 g", 9.49),
    ("CUP-WHT", "Cup, white", 7.25),
    ("CUP-BLU", "Cup, cobalt blue", 8.75),
    ("POT-S", "Teapot, 0.6 l", 34.9),
    ("POT-L", "Teapot, 1.2 l", 48.5),
    ("KET-GLS", "Kettle, glass – 1.7 l", 59.99),
    ("SIEVE-01", "Strainer, stainless steel", 4.333),
    ("BOX-OAK", "Tea chest, oak, 12 compartments", 129.0),
    ("HON-500", "Lime blossom honey, 500 g", 11.2),
    ("BIS-GRN", "Matcha biscuits", 3.85),
    ("GFT-CARD", "Gift card", 25.0),
];
const COLOURS: [&str; 4] = ["white", "cobalt", "sage", "anthracite"];
const FIRST_NAMES: [&str; 8] = [
    "Ada", "Björn", "Chiara", "Darya", "Émile", "Fatima", "Grace", "Hiroshi",
];
const LAST_NAMES: [&str; 7] = [
    "Lindqvist",
    "Okafor",
    "Müller",
    "Rossi",
    "Sato",
    "van den Berg",
    "Ó Briain",
];
const STREETS: [&str; 5] = [
    "Harbour Road",
    "Rue de l'Église",
    "Bahnhofstraße",
    "Calle Mayor",
    "Strandvägen",
];
const CITIES: [City; 6] = [
    ("Hamburg", "DE", 53.5511, 9.9937),
    ("Lyon", "FR", 45.764, 4.8357),
    ("Uppsala", "SE", 59.8586, 17.6389),
    ("Bergen", "NO", 60.3913, 5.3221),
    ("Valencia", "ES", 39.4699, -0.3763),
    ("Graz", "AT", 47.0707, 15.4395),
];
const TAGS: [&str; 6] = [
    "gift",
    "priority",
    "first-order",
    "fragile",
    "bulk",
    "returning",
];
const CHANNELS: [&str; 3] = ["web", "app", "phone"];
const NETWORKS: [&str; 3] = ["visa", "mastercard", "girocard"];
const EUROPEAN_UNION: [&str; 7] = ["DE", "FR", "SE", "ES", "AT", "IT", "NL"];

/// A 32-bit hash of a number: the source of all variety.
pub(crate) fn mix(number: u32, salt: u32) -> u32 {
    let mut x = number
        .wrapping_mul(0x9E37_79B1)
        .wrapping_add(salt.wrapping_mul(0x85EB_CA77));
    x ^= x >> 15;
    x = x.wrapping_mul(0x2C1B_3C6D);
    x ^ (x >> 12)
}

/// FNV-1a, 32 bits.
pub(crate) fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811C_9DC5, |x, byte| {
        (x ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// Rounds to two decimals, halves up.
pub(crate) fn cents(amount: f64) -> f64 {
    (amount * 100.0 + 0.5).floor() / 100.0
}

/// The entry that a hash chooses.
fn pick<T: Copy + Default>(table: &[T], hash: u32) -> T {
    table
        .iter()
        .copied()
        .cycle()
        .nth(hash as usize % table.len().max(1))
        .unwrap_or_default()
}

pub(crate) fn order_id(number: u32) -> String {
    format!("o-{number:06}")
}

/// The number of an order that exists.
pub(crate) fn order_number(identifier: &str) -> Option<u32> {
    let digits = identifier
        .strip_prefix("o-")
        .filter(|digits| digits.len() == 6)?;
    let number = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())??;
    ((1..=ORDERS_COUNT).contains(&number) && number % 29 != 0).then_some(number)
}

/// Unit price of a product that exists.
pub(crate) fn unit_price(sku: &str) -> Option<f64> {
    PRODUCTS
        .iter()
        .find(|product| product.0 == sku)
        .map(|product| product.2)
}

/// Pieces in stock: about one product in four is out.
pub(crate) fn on_hand(sku: &str) -> u32 {
    let seed = fnv1a(sku.as_bytes());
    if seed.is_multiple_of(4) {
        0
    } else {
        seed % 200
    }
}

pub(crate) fn in_european_union(country_code: &str) -> bool {
    EUROPEAN_UNION.contains(&country_code)
}

pub(crate) fn full_name(number: u32) -> String {
    format!(
        "{} {}",
        pick(&FIRST_NAMES, mix(number, 6)),
        pick(&LAST_NAMES, mix(number, 7))
    )
}

pub(crate) fn city(number: u32) -> City {
    pick(&CITIES, mix(number, 8))
}

pub(crate) fn address(number: u32) -> Address {
    let (town, country, _, _) = city(number);
    Address {
        name: full_name(number),
        street: format!(
            "{} {}",
            pick(&STREETS, mix(number, 9)),
            1 + mix(number, 10) % 120
        ),
        postal_code: (10_000 + mix(number, 11) % 89_999).to_string(),
        city: town.to_owned(),
        country_code: country.to_owned(),
    }
}

fn line(number: u32, index: u32) -> OrderLine {
    let (sku, title, unit_price) = pick(&PRODUCTS, mix(number, 20 + index));
    let mut attributes = vec![(
        "shelf".to_owned(),
        format!("{:02}", mix(number, 70 + index) % 40),
    )];
    if !sku.starts_with("TEA") {
        let colour = pick(&COLOURS, mix(number, 60 + index));
        attributes.push(("colour".to_owned(), colour.to_owned()));
    }
    OrderLine {
        sku: sku.to_owned(),
        title: title.to_owned(),
        quantity: 1 + mix(number, 30 + index) % 4,
        unit_price,
        discount: mix(number, 40 + index)
            .is_multiple_of(3)
            .then(|| f64::from(mix(number, 50 + index) % 4) * 0.05),
        attributes: attributes.into_iter().collect(),
    }
}

fn total(lines: &[OrderLine]) -> f64 {
    cents(lines.iter().fold(0.0, |amount, entry| {
        amount
            + f64::from(entry.quantity) * entry.unit_price * (1.0 - entry.discount.unwrap_or(0.0))
    }))
}

pub(crate) fn state(number: u32) -> OrderState {
    OrderState::try_from(1 + (mix(number, 1) % 7).cast_signed()).unwrap_or_default()
}

/// Seconds since the Unix epoch.
pub(crate) fn placed_at(number: u32) -> i64 {
    FIRST_DAY + i64::from(mix(number, 4) % (200 * 86_400))
}

fn tags(number: u32) -> Vec<String> {
    let start = mix(number, 15) % 6;
    (0..mix(number, 14) % 4)
        .map(|index| pick(&TAGS, start + 5 * index).to_owned())
        .collect()
}

fn payment(number: u32) -> Option<Payment> {
    let digits = mix(number, 16);
    match mix(number, 12) % 4 {
        0 => Some(Payment::Card(CardPayment {
            network: pick(&NETWORKS, mix(number, 13)).to_owned(),
            last_digits: format!("{:04}", digits % 10_000),
        })),
        1 => Some(Payment::BankTransfer(BankTransfer {
            iban: format!("DE{}5001051700{number:010}", digits % 90 + 10),
        })),
        2 => Some(Payment::VoucherCode(format!("TEA-{:03}", digits % 1000))),
        _ => None,
    }
}

pub(crate) fn order(number: u32) -> Order {
    let lines: Vec<_> = (0..1 + mix(number, 3) % 5)
        .map(|index| line(number, index))
        .collect();
    let name = full_name(number);
    let customer = mix(number, 2) % 20_000;
    let labels = [
        ("channel", pick(&CHANNELS, number)),
        ("region", city(number).1),
    ];
    Order {
        order_id: order_id(number),
        state: state(number).into(),
        total: total(&lines),
        lines,
        ship_to: Some(address(number)),
        payment: payment(number),
        placed_at: Some(Timestamp {
            seconds: placed_at(number),
            nanos: (mix(number, 5) % 1000 * 1_000_000).cast_signed(),
        }),
        promised_within: Some(Duration {
            seconds: i64::from(1 + mix(number, 17) % 9) * 86_400,
            nanos: 0,
        }),
        labels: labels
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        gift_note: if number.is_multiple_of(5) {
            Some(format!("With love from {name}"))
        } else {
            (number % 10 == 3).then(String::new)
        },
        customer: Some(Customer {
            customer_id: format!("c-{customer:05}"),
            full_name: name,
            email: format!("customer{customer}@example.com"),
        }),
        tags: tags(number),
        receipt_digest: (80..84)
            .flat_map(|salt| mix(number, salt).to_be_bytes())
            .collect(),
    }
}
