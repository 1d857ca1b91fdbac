//! Invoices and what is enclosed with them.

use crate::catalog::{self, mix};
use crate::pb::{Coupon, DocumentFormat, Invoice, LoyaltyStatement, Order, RenderInvoiceRequest};
use prost_types::{Any, Timestamp};

/// Longest name that fits the new template.
const NAME_CHARACTERS_MAX: usize = 24;
const TERMS_PAGE_BYTES: usize = 2048;

/// The invoice of an order that exists.
pub(crate) fn render(number: u32, request: RenderInvoiceRequest) -> Invoice {
    let order = catalog::order(number);
    let format = request.format();
    let document = document(&order, request.terms_pages);
    let mut bill_to = request.bill_to.or(order.ship_to);
    if let Some(address) = &mut bill_to {
        // planted: truncated-name. The old service keeps the whole name.
        address.name = address.name.chars().take(NAME_CHARACTERS_MAX).collect();
    }
    Invoice {
        invoice_number: format!("R-{}", 2_025_000 + number),
        bill_to,
        issued_at: Some(Timestamp {
            seconds: catalog::placed_at(number) + 3600,
            nanos: 0,
        }),
        media_type: match format {
            DocumentFormat::Pdf => "application/pdf",
            DocumentFormat::Html => "text/html",
            DocumentFormat::Unspecified | DocumentFormat::Text => "text/plain",
        }
        .to_owned(),
        document,
        enclosures: enclosures(number),
        total: order.total,
        // planted: extra-field (see build.rs).
        template_revision: if format == DocumentFormat::Pdf {
            "b".to_owned()
        } else {
            String::new()
        },
    }
}

/// Plain text; a page of terms has 2 KiB.
fn document(order: &Order, terms_pages: u32) -> Vec<u8> {
    let name = order
        .customer
        .as_ref()
        .map_or("", |customer| customer.full_name.as_str());
    let mut text = format!("Invoice for {}\n{name}\n", order.order_id);
    for entry in &order.lines {
        text.push_str(&format!("\n{:3} x {}", entry.quantity, entry.title));
    }
    for page in 1..=terms_pages {
        let head = format!("\x0c{page:>8}");
        text.push_str(&format!("{head:.<TERMS_PAGE_BYTES$}"));
    }
    text.into_bytes()
}

fn enclosures(number: u32) -> Vec<Any> {
    let mut enclosures = Vec::new();
    if number.is_multiple_of(4) {
        let mut code = format!("TEA-{}", mix(number, 90) % 9000 + 1000);
        if number.is_multiple_of(8) {
            // planted: coupon-case. The old service sends upper case.
            code.make_ascii_lowercase();
        }
        enclosures.push(packed(
            "Coupon",
            &Coupon {
                code,
                discount: 0.1,
            },
        ));
    }
    if number.is_multiple_of(6) {
        let number = i64::from(number);
        let statement = LoyaltyStatement {
            points: number * 7 - 9000,
            points_expiring: number % 100,
        };
        enclosures.push(packed("LoyaltyStatement", &statement));
    }
    enclosures
}

fn packed(name: &str, message: &impl prost::Message) -> Any {
    Any {
        type_url: format!("type.googleapis.com/shop.orders.v1.{name}"),
        value: message.encode_to_vec(),
    }
}
