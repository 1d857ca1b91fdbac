//! The new implementation of `shop.orders.v1.OrderService`: a port of `demo/primary/service.py`.
//!
//! Every answer is a function of the request alone. The differences that are there on purpose are
//! marked `planted:` and listed in `demo/README.md`.

use crate::catalog::{self, cents};
use crate::pb::{
    AvailabilityAnswer, AvailabilityQuery, CancelOrderRequest, CancelOrderResponse,
    GetOrderRequest, ImportStockResponse, Invoice, ListOrdersRequest, Order, OrderState,
    PlaceOrderRequest, PlaceOrderResponse, QuoteShippingRequest, QuoteShippingResponse,
    RenderInvoiceRequest, ServiceLevel, StockLevel, TrackShipmentRequest, TrackingEvent,
    order_service_server, place_order_request,
};
use crate::{availability, failure, invoice, shipping, stock};
use prost_types::Duration;
use std::pin::Pin;
use tokio_stream::{Stream, StreamExt as _};
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Response, Status, Streaming};

const QUANTITY_MAX: u32 = 999;
const PAGE_SIZE_MAX: u32 = 50;
const DAY_SECONDS: i64 = 86_400;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The service has no state.
#[derive(Debug)]
pub(crate) struct OrderService;

#[tonic::async_trait]
impl order_service_server::OrderService for OrderService {
    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<Order>, Status> {
        let number = existing_order(&request.get_ref().order_id)?;
        let mut order = catalog::order(number);
        // planted: absent-note. The old service tells an empty note from none.
        order.gift_note = order.gift_note.filter(|note| !note.is_empty());
        if order.state() == OrderState::Returned && number.is_multiple_of(3) {
            // planted: returned-state. The old service answers RETURNED.
            order.set_state(OrderState::Cancelled);
        }
        Ok(Response::new(order))
    }

    async fn place_order(
        &self,
        request: Request<PlaceOrderRequest>,
    ) -> Result<Response<PlaceOrderResponse>, Status> {
        place(request.into_inner()).map(Response::new)
    }

    async fn cancel_order(
        &self,
        _: Request<CancelOrderRequest>,
    ) -> Result<Response<CancelOrderResponse>, Status> {
        // planted: unimplemented-method.
        Err(Status::unimplemented("Method not implemented!"))
    }

    async fn quote_shipping(
        &self,
        request: Request<QuoteShippingRequest>,
    ) -> Result<Response<QuoteShippingResponse>, Status> {
        let request = request.get_ref();
        if request.parcels.is_empty() {
            return Err(failure::invalid("parcels", "nothing to ship"));
        }
        let Some(zone) = shipping::zone(&request.country_code) else {
            let message = format!("no carrier serves {}", request.country_code);
            return Err(failure::plain(Code::NotFound, message));
        };
        // planted: rate-table. The old service has the world's table of July.
        let table = if zone <= 1 {
            "2025-07-eu"
        } else {
            "2025-06-world"
        };

        let weights: Vec<_> = request
            .parcels
            .iter()
            .map(shipping::billable_weight)
            .collect();
        let seconds = match request.level() {
            ServiceLevel::Express => DAY_SECONDS,
            _ => (2 + 3 * i64::from(zone)) * DAY_SECONDS,
        };
        let mut response = Response::new(QuoteShippingResponse {
            carrier: if zone >= 2 { "Nordpost" } else { "EuroParcel" }.to_owned(),
            price: shipping::price(request, &weights, zone),
            parcel_weights_kg: weights,
            transit: Some(Duration { seconds, nanos: 0 }),
            zone: if zone == 0 { -1 } else { zone.into() },
            signature_required: request.insured_value.is_some(),
        });
        response
            .metadata_mut()
            .insert("x-rate-table", MetadataValue::from_static(table));
        Ok(response)
    }

    async fn render_invoice(
        &self,
        request: Request<RenderInvoiceRequest>,
    ) -> Result<Response<Invoice>, Status> {
        let request = request.into_inner();
        let number = existing_order(&request.order_id)?;
        Ok(Response::new(invoice::render(number, request)))
    }

    type ListOrdersStream = Answers<Order>;

    async fn list_orders(
        &self,
        request: Request<ListOrdersRequest>,
    ) -> Result<Response<Answers<Order>>, Status> {
        let request = request.into_inner();
        if request.page_size > PAGE_SIZE_MAX {
            let message = format!("at most {PAGE_SIZE_MAX} orders a page");
            return Err(failure::invalid("page_size", message));
        }
        let orders = (request.first_number..=catalog::ORDERS_COUNT)
            .filter(|number| catalog::order_number(&catalog::order_id(*number)).is_some())
            .filter(move |number| {
                request.states.is_empty()
                    || request.states.contains(&catalog::state(*number).into())
            })
            .take(request.page_size as usize)
            .map(|number| {
                let mut order = catalog::order(number);
                // planted: tag-order. The old service keeps the order of attachment.
                order.tags.sort();
                Ok(order)
            });
        Ok(Response::new(Box::pin(tokio_stream::iter(orders))))
    }

    type TrackShipmentStream = Answers<TrackingEvent>;

    async fn track_shipment(
        &self,
        request: Request<TrackShipmentRequest>,
    ) -> Result<Response<Answers<TrackingEvent>>, Status> {
        let request = request.into_inner();
        let events = shipping::tracking_events(existing_order(&request.order_id)?);
        let pace = request
            .pace
            .and_then(|pace| pace.try_into().ok())
            .unwrap_or_default();

        let end = tracking_end(&request.order_id, events.len());
        let events = tokio_stream::iter(events.into_iter().map(Ok).chain(end.map(Err)));
        // Answers before each wait, as the old service does.
        let mut first = true;
        Ok(Response::new(Box::pin(events.then(move |event| {
            let wait = if std::mem::take(&mut first) {
                std::time::Duration::ZERO
            } else {
                pace
            };
            async move {
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
                event
            }
        }))))
    }

    async fn import_stock(
        &self,
        request: Request<Streaming<StockLevel>>,
    ) -> Result<Response<ImportStockResponse>, Status> {
        stock::import(request.into_inner()).await.map(Response::new)
    }

    type CheckAvailabilityStream = Answers<AvailabilityAnswer>;

    async fn check_availability(
        &self,
        request: Request<Streaming<AvailabilityQuery>>,
    ) -> Result<Response<Answers<AvailabilityAnswer>>, Status> {
        Ok(Response::new(Box::pin(availability::answers(
            request.into_inner(),
        ))))
    }
}

/// The number of the order, or the status that ends the call.
fn existing_order(order_id: &str) -> Result<u32, Status> {
    catalog::order_number(order_id)
        .ok_or_else(|| failure::missing("order", "shop.orders.v1.Order", order_id))
}

fn place(request: PlaceOrderRequest) -> Result<PlaceOrderResponse, Status> {
    if request.items.is_empty() {
        return Err(failure::invalid(
            "items",
            "an order needs at least one item",
        ));
    }
    let mut goods = 0.0;
    for (index, item) in request.items.iter().enumerate() {
        goods += f64::from(item.quantity) * checked_price(index, item)?;
    }
    let goods = cents(goods);
    let tax = cents(goods * 0.19);
    let shipping = if goods >= 50.0 { 0.0 } else { 4.9 };

    let mut warnings = Vec::new();
    let country = request
        .ship_to
        .as_ref()
        .map_or("", |address| &address.country_code);
    if !catalog::in_european_union(country) {
        warnings.push("customs duties may apply".to_owned());
    }
    if request
        .gift_note
        .as_ref()
        .is_some_and(|note| note.chars().count() > 40)
    {
        warnings.push("the gift note is printed on two lines".to_owned());
    }
    use place_order_request::Payment;
    let state = match request.payment {
        Some(Payment::Card(_) | Payment::VoucherCode(_)) => OrderState::Paid,
        Some(Payment::BankTransfer(_)) | None => OrderState::New,
    };
    let number = catalog::fnv1a(request.idempotency_key.as_bytes());
    let charges = [("goods", goods), ("tax", tax), ("shipping", shipping)];
    Ok(PlaceOrderResponse {
        order_id: catalog::order_id(100_000 + number % 900_000),
        state: state.into(),
        total: cents(goods + tax + shipping),
        charges: charges
            .map(|(kind, amount)| (kind.to_owned(), amount))
            .into(),
        ship_to: Some(request.ship_to.unwrap_or_default()),
        warnings,
    })
}

/// The unit price of an item that can be sold, or the status that ends the call.
fn checked_price(index: usize, item: &place_order_request::Item) -> Result<f64, Status> {
    let field = format!("items[{index}].quantity");
    match item.quantity {
        // planted: quantity-message. The old service has one text for both bounds.
        0 => return Err(failure::invalid(field, "quantity must be positive")),
        1..=QUANTITY_MAX => {}
        quantity => {
            let message = format!("quantity must be between 1 and {QUANTITY_MAX}, got {quantity}");
            return Err(failure::invalid(field, message));
        }
    }
    let price = catalog::unit_price(&item.sku)
        .ok_or_else(|| failure::missing("product", "shop.orders.v1.Product", &item.sku))?;
    if catalog::on_hand(&item.sku) < item.quantity {
        return Err(failure::out_of_stock(&item.sku));
    }
    Ok(price)
}

/// Status OK with the trailer that says where to resume: tonic sends it as the stream's end.
fn tracking_end(order_id: &str, events_count: usize) -> Option<Status> {
    // planted: cursor-trailer. The old service always sends it.
    if events_count > 5 {
        return None;
    }
    let mut end = Status::new(Code::Ok, "");
    let cursor = MetadataValue::try_from(format!("{order_id}/{events_count}")).ok()?;
    end.metadata_mut().insert("x-tracking-cursor", cursor);
    Some(end)
}
