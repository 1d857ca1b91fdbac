//! What shipping costs and where parcels are.

use crate::catalog::{self, cents, mix};
use crate::pb::tracking_event::{Delay, Delivery, Detail, Scan};
use crate::pb::{Parcel, QuoteShippingRequest, ServiceLevel, TrackingEvent};
use prost_types::{Duration, Timestamp};

/// 0 at home, 1 in the European Union, 2 elsewhere; `None` where nobody delivers.
pub(crate) fn zone(country_code: &str) -> Option<u8> {
    match country_code {
        "" | "AQ" => None,
        "DE" => Some(0),
        code if catalog::in_european_union(code) => Some(1),
        _ => Some(2),
    }
}

/// The larger of real and volumetric weight, in kg.
pub(crate) fn billable_weight(parcel: &Parcel) -> f64 {
    let volumetric = parcel.length_cm * parcel.width_cm * parcel.height_cm / 5000.0;
    if volumetric > parcel.weight_kg {
        volumetric
    } else {
        parcel.weight_kg
    }
}

/// The price in euros, to the cent.
pub(crate) fn price(request: &QuoteShippingRequest, weights: &[f64], zone: u8) -> f64 {
    let zone = f64::from(zone);
    let factor = match request.level() {
        ServiceLevel::Economy => 0.8,
        ServiceLevel::Express => 1.9,
        ServiceLevel::Unspecified | ServiceLevel::Standard => 1.0,
    };
    let parts = weights
        .iter()
        .map(|weight| (3.79 + 2.4 * zone + weight * (0.613 + 0.377 * zone)) * factor);
    // planted: price-rounding. The old service rounds the sum only.
    let goods: f64 = if weights.len() >= 3 {
        parts.map(cents).fold(0.0, |sum, part| sum + part)
    } else {
        parts.fold(0.0, |sum, part| sum + part)
    };
    cents(goods + request.insured_value() * 0.0125)
}

/// The whole journey of an order's parcel.
pub(crate) fn tracking_events(number: u32) -> Vec<TrackingEvent> {
    let count = 2 + mix(number, 91) % 5;
    (0..count)
        .map(|index| tracking_event(number, index, count))
        .collect()
}

fn tracking_event(number: u32, index: u32, count: u32) -> TrackingEvent {
    let (town, country, latitude, longitude) = catalog::city(number);
    let delivered = index + 1 == count;
    let share = f64::from(index + 1) / f64::from(count);
    let mut seconds = catalog::placed_at(number) + 40_000 * i64::from(index + 1);
    if country == "NO" {
        // planted: local-time. The old service sends UTC.
        seconds += 3600;
    }
    let detail = if delivered {
        let signature = [b"\x89PNG".as_slice(), &number.to_be_bytes().repeat(8)].concat();
        Detail::Delivery(Delivery {
            signed_by: catalog::full_name(number),
            signature_png: signature,
        })
    } else if mix(number, 95 + index).is_multiple_of(4) {
        Detail::Delay(Delay {
            cause: "weather".to_owned(),
            expected: Some(Duration {
                seconds: 3600 * i64::from(1 + index),
                nanos: 0,
            }),
        })
    } else {
        Detail::Scan(Scan {
            facility: format!("F{:03}", mix(number, 99 + index) % 500),
            belt: mix(number, 103 + index),
        })
    };
    TrackingEvent {
        occurred_at: Some(Timestamp { seconds, nanos: 0 }),
        place: if delivered {
            town.to_owned()
        } else {
            format!("Hub {}", mix(number, 92 + index) % 30)
        },
        latitude: 53.0 + (latitude - 53.0) * share,
        longitude: 10.0 + (longitude - 10.0) * share,
        detail: Some(detail),
    }
}
