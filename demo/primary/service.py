"""The old implementation of `shop.orders.v1.OrderService`, on grpcio's asyncio API.

Every answer is a function of the request alone.
"""

import asyncio

import catalog
import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from shop.orders.v1 import orders_pb2 as pb
from shop.orders.v1 import orders_pb2_grpc

QUANTITY_MAX = 999
PAGE_SIZE_MAX = 50
LOT_BYTES_MAX = 64


async def abort(context, code, message, *details):
    """Ends the call with a status that carries google.rpc details."""
    status = status_pb2.Status(code=code, message=message)
    for detail in details:
        status.details.add().Pack(detail)
    await context.abort_with_status(rpc_status.to_status(status))


async def abort_invalid(context, field, description):
    violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=description)
    details = error_details_pb2.BadRequest(field_violations=[violation])
    await abort(context, code_pb2.INVALID_ARGUMENT, description, details)


async def existing_order(context, order_id):
    """The number of the order, or the call ends with NOT_FOUND."""
    number = catalog.order_number(order_id)
    if number is None:
        resource = error_details_pb2.ResourceInfo(
            resource_type="shop.orders.v1.Order", resource_name=order_id
        )
        await abort(context, code_pb2.NOT_FOUND, f"order {order_id} does not exist", resource)
    return number


class OrderService(orders_pb2_grpc.OrderServiceServicer):
    async def GetOrder(self, request, context):
        return catalog.order(await existing_order(context, request.order_id))

    async def PlaceOrder(self, request, context):
        if not request.items:
            await abort_invalid(context, "items", "an order needs at least one item")
        for index, item in enumerate(request.items):
            await self.check_item(index, item, context)

        goods = 0.0
        for item in request.items:
            goods += item.quantity * catalog.product(item.sku)[2]
        goods = catalog.cents(goods)
        tax = catalog.cents(goods * 0.19)
        shipping = 0.0 if goods >= 50.0 else 4.9
        number = catalog.fnv1a(request.idempotency_key.encode())
        paid = request.WhichOneof("payment") in ("card", "voucher_code")
        response = pb.PlaceOrderResponse(
            order_id=catalog.order_id(100_000 + number % 900_000),
            state=pb.ORDER_STATE_PAID if paid else pb.ORDER_STATE_NEW,
            total=catalog.cents(goods + tax + shipping),
            charges={"goods": goods, "tax": tax, "shipping": shipping},
            ship_to=request.ship_to,
        )
        if request.ship_to.country_code not in catalog.EUROPEAN_UNION:
            response.warnings.append("customs duties may apply")
        if request.HasField("gift_note") and len(request.gift_note) > 40:
            response.warnings.append("the gift note is printed on two lines")
        return response

    async def check_item(self, index, item, context):
        if not 1 <= item.quantity <= QUANTITY_MAX:
            await abort_invalid(
                context,
                f"items[{index}].quantity",
                f"quantity must be between 1 and {QUANTITY_MAX}, got {item.quantity}",
            )
        if catalog.product(item.sku) is None:
            resource = error_details_pb2.ResourceInfo(
                resource_type="shop.orders.v1.Product", resource_name=item.sku
            )
            await abort(
                context, code_pb2.NOT_FOUND, f"product {item.sku} does not exist", resource
            )
        if catalog.on_hand(item.sku) < item.quantity:
            violation = error_details_pb2.PreconditionFailure.Violation(
                type="STOCK", subject=item.sku, description="not enough in stock"
            )
            await abort(
                context,
                code_pb2.FAILED_PRECONDITION,
                f"{item.sku} is out of stock",
                error_details_pb2.PreconditionFailure(violations=[violation]),
            )

    async def CancelOrder(self, request, context):
        number = await existing_order(context, request.order_id)
        if catalog.state(number) > pb.ORDER_STATE_PACKED:
            await abort(
                context, code_pb2.FAILED_PRECONDITION, f"order {request.order_id} has left"
            )
        return pb.CancelOrderResponse(
            state=pb.ORDER_STATE_CANCELLED, refund=catalog.order(number).total
        )

    async def QuoteShipping(self, request, context):
        if not request.parcels:
            await abort_invalid(context, "parcels", "nothing to ship")
        zone = shipping_zone(request.country_code)
        if zone is None:
            await abort(
                context, code_pb2.NOT_FOUND, f"no carrier serves {request.country_code}"
            )
        table = "2025-07-eu" if zone <= 1 else "2025-07-world"
        await context.send_initial_metadata((("x-rate-table", table),))

        weights = [billable_weight(parcel) for parcel in request.parcels]
        factor = {pb.SERVICE_LEVEL_ECONOMY: 0.8, pb.SERVICE_LEVEL_EXPRESS: 1.9}.get(
            request.level, 1.0
        )
        price = 0.0
        for weight in weights:
            price += parcel_price(weight, zone) * factor
        price += request.insured_value * 0.0125
        response = pb.QuoteShippingResponse(
            carrier="Nordpost" if zone >= 2 else "EuroParcel",
            price=catalog.cents(price),
            parcel_weights_kg=weights,
            zone=-1 if zone == 0 else zone,
            signature_required=request.HasField("insured_value"),
        )
        response.transit.seconds = (2 + 3 * zone) * 86_400
        if request.level == pb.SERVICE_LEVEL_EXPRESS:
            response.transit.seconds = 86_400
        return response

    async def RenderInvoice(self, request, context):
        number = await existing_order(context, request.order_id)
        order = catalog.order(number)
        media_types = {
            pb.DOCUMENT_FORMAT_PDF: "application/pdf",
            pb.DOCUMENT_FORMAT_HTML: "text/html",
        }
        invoice = pb.Invoice(
            invoice_number=f"R-{2_025_000 + number}",
            bill_to=request.bill_to if request.HasField("bill_to") else order.ship_to,
            media_type=media_types.get(request.format, "text/plain"),
            document=document(order, request.terms_pages),
            total=order.total,
        )
        invoice.issued_at.seconds = catalog.placed_at(number) + 3600
        if number % 4 == 0:
            coupon = pb.Coupon(code=f"TEA-{catalog.mix(number, 90) % 9000 + 1000}", discount=0.1)
            invoice.enclosures.append(packed(coupon))
        if number % 6 == 0:
            points = pb.LoyaltyStatement(points=number * 7 - 9000, points_expiring=number % 100)
            invoice.enclosures.append(packed(points))
        return invoice

    async def ListOrders(self, request, context):
        if request.page_size > PAGE_SIZE_MAX:
            await abort_invalid(context, "page_size", f"at most {PAGE_SIZE_MAX} orders a page")
        number, sent = request.first_number, 0
        while sent < request.page_size and number <= catalog.ORDERS_COUNT:
            exists = catalog.order_number(catalog.order_id(number)) is not None
            if exists and (not request.states or catalog.state(number) in request.states):
                yield catalog.order(number)
                sent += 1
            number += 1

    async def TrackShipment(self, request, context):
        number = await existing_order(context, request.order_id)
        pace = request.pace.seconds + request.pace.nanos / 1e9
        events = tracking_events(number)
        for event in events:
            yield event
            if pace > 0:
                await asyncio.sleep(pace)
        cursor = f"{request.order_id}/{len(events)}"
        context.set_trailing_metadata((("x-tracking-cursor", cursor),))

    async def ImportStock(self, request_iterator, context):
        response = pb.ImportStockResponse()
        accepted, checksum = {}, 0
        async for level in request_iterator:
            reason = None
            if catalog.product(level.sku) is None:
                reason = "unknown product"
            elif level.on_hand < 0:
                reason = "negative count"
            elif len(level.lot) > LOT_BYTES_MAX:
                reason = "lot number too long"
            accepted[level.warehouse] = accepted.get(level.warehouse, 0) + (reason is None)
            if reason:
                response.rejected.add(index=response.received, reason=reason)
            checksum = (checksum * 31 + catalog.fnv1a(level.lot) + level.on_hand) % 2**64
            response.received += 1
        if response.received == 0:
            await abort_invalid(context, "", "the count is empty")
        response.accepted_by_warehouse.update(accepted)
        response.checksum = checksum
        return response

    async def CheckAvailability(self, request_iterator, context):
        summary = pb.AvailabilityAnswer.Summary()
        async for query in request_iterator:
            on_hand = catalog.on_hand(query.sku)
            known = catalog.product(query.sku) is not None
            answer = pb.AvailabilityAnswer.SkuAnswer(sku=query.sku)
            if known:
                answer.on_hand = on_hand
                answer.available = on_hand >= query.quantity
                if not answer.available:
                    answer.restocked_at.seconds = catalog.FIRST_DAY + 86_400 * (query.quantity % 30)
            summary.asked += 1
            summary.available += answer.available
            summary.unknown += not known
            yield pb.AvailabilityAnswer(sku=answer)
        yield pb.AvailabilityAnswer(summary=summary)


def packed(message) -> any_pb2.Any:
    wrapper = any_pb2.Any()
    wrapper.Pack(message)
    return wrapper


def shipping_zone(country_code: str) -> int | None:
    """0 at home, 1 in the European Union, 2 elsewhere; None where nobody delivers."""
    if country_code in ("", "AQ"):
        return None
    if country_code == "DE":
        return 0
    return 1 if country_code in catalog.EUROPEAN_UNION else 2


def billable_weight(parcel: pb.Parcel) -> float:
    """The larger of real and volumetric weight, in kg."""
    volumetric = parcel.length_cm * parcel.width_cm * parcel.height_cm / 5000.0
    return max(parcel.weight_kg, volumetric)


def parcel_price(weight_kg: float, zone: int) -> float:
    return 3.79 + 2.4 * zone + weight_kg * (0.613 + 0.377 * zone)


def document(order: pb.Order, terms_pages: int) -> bytes:
    """Plain text; a page of terms has 2 KiB."""
    lines = [f"Invoice for {order.order_id}", order.customer.full_name, ""]
    for entry in order.lines:
        lines.append(f"{entry.quantity:3} x {entry.title}")
    terms = "".join(f"\f{page + 1:>8}".ljust(2048, ".") for page in range(terms_pages))
    return ("\n".join(lines) + terms).encode()


def tracking_events(number: int) -> list[pb.TrackingEvent]:
    town, _, latitude, longitude = catalog.city(number)
    count = 2 + catalog.mix(number, 91) % 5
    events = []
    for index in range(count):
        share = (index + 1) / count
        event = pb.TrackingEvent(
            place=town if index + 1 == count else f"Hub {catalog.mix(number, 92 + index) % 30}",
            latitude=53.0 + (latitude - 53.0) * share,
            longitude=10.0 + (longitude - 10.0) * share,
        )
        event.occurred_at.seconds = catalog.placed_at(number) + 40_000 * (index + 1)
        if index + 1 == count:
            event.delivery.signed_by = catalog.full_name(number)
            event.delivery.signature_png = b"\x89PNG" + number.to_bytes(4, "big") * 8
        elif catalog.mix(number, 95 + index) % 4 == 0:
            event.delay.cause = "weather"
            event.delay.expected.seconds = 3600 * (1 + index)
        else:
            event.scan.facility = f"F{catalog.mix(number, 99 + index) % 500:03}"
            event.scan.belt = catalog.mix(number, 103 + index)
        events.append(event)
    return events
