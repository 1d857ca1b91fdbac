"""Drives the demo: some thousand varied calls at a steady rate, the same ones every time.

Every method and all four kinds of call; answers with errors and details; a few deadlines that
pass and a few calls that are cancelled. No retries. What the old service answers is judged too:
a client behind a mirror must not notice it, so a transport error ends the run with exit code 1.
"""

import argparse
import asyncio
import collections
import json
import random
import sys
import time

import grpc
from shop.orders.v1 import orders_pb2 as pb
from shop.orders.v1 import orders_pb2_grpc

SKUS = [
    *("TEA-100", "TEA-250", "CUP-WHT", "CUP-BLU", "POT-S", "POT-L"),
    *("KET-GLS", "SIEVE-01", "BOX-OAK", "HON-500", "BIS-GRN", "GFT-CARD"),
]
COUNTRIES = ["DE", "DE", "FR", "SE", "NO", "CH", "IT", "US", "AQ"]
NAMES = [
    "Ada Lindqvist",
    "Émile Ó Briain",
    "Maximiliane Freifrau von Hohenstaufen-Württemberg",
    "Library of the Technical University",
]
# Statuses that a mirror could cause and this service never sends.
FOREIGN = [
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.UNIMPLEMENTED,
]
# How long a call may take that is not meant to fail.
PATIENCE_S = 10.0
EXIT_INTERRUPTED = 130
# How often each kind of call is made, in parts of the whole.
WEIGHTS = {
    "get_order": 24,
    "place_order": 18,
    "cancel_order": 4,
    "quote_shipping": 16,
    "render_invoice": 10,
    "list_orders": 6,
    "track_shipment": 10,
    "import_stock": 5,
    "check_availability": 6,
    "deadline_passes": 1,
    "cancelled_by_caller": 1,
}


class Caller:
    """Makes one call of a kind; what it sends is decided by the call's own random numbers."""

    def __init__(self, channel: grpc.aio.Channel):
        self.stub = orders_pb2_grpc.OrderServiceStub(channel)

    async def get_order(self, rng):
        await self.stub.GetOrder(pb.GetOrderRequest(order_id=order_id(rng)), **options(rng))

    async def place_order(self, rng):
        request = pb.PlaceOrderRequest(
            idempotency_key=f"{rng.getrandbits(64):016x}",
            customer_id=f"c-{rng.randrange(20000):05}",
            ship_to=address(rng),
        )
        for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
            sku = rng.choice(SKUS) if rng.random() > 0.03 else "TEA-999"
            usual = rng.random() > 0.06
            quantity = rng.choice([1, 1, 2, 3, 5] if usual else [0, 1000])
            request.items.add(sku=sku, quantity=quantity)
        match rng.randrange(4):
            case 0:
                request.card.network = "visa"
                request.card.last_digits = f"{rng.randrange(10000):04}"
            case 1:
                request.bank_transfer.iban = f"DE{rng.randrange(10**20):020}"
            case 2:
                request.voucher_code = f"TEA-{rng.randrange(1000)}"
        if rng.random() < 0.3:
            notes = ["", "Alles Gute!", "To the best aunt in the world " * 2]
            request.gift_note = rng.choice(notes)
        await self.stub.PlaceOrder(request, **options(rng))

    async def cancel_order(self, rng):
        request = pb.CancelOrderRequest(order_id=order_id(rng), reason="changed my mind")
        await self.stub.CancelOrder(request, **options(rng))

    async def quote_shipping(self, rng):
        request = pb.QuoteShippingRequest(
            country_code=rng.choice(COUNTRIES), level=rng.randrange(4)
        )
        for _ in range(rng.choice([0, 1, 1, 1, 1, 2, 2, 3, 5])):
            length, width, height = (rng.uniform(5.0, 80.0) for _ in range(3))
            request.parcels.add(
                weight_kg=rng.uniform(0.1, 20.0),
                length_cm=length,
                width_cm=width,
                height_cm=height,
            )
        if rng.random() < 0.3:
            request.insured_value = rng.choice([0.0, rng.uniform(10.0, 2000.0)])
        await self.stub.QuoteShipping(request, **options(rng))

    async def render_invoice(self, rng):
        request = pb.RenderInvoiceRequest(order_id=order_id(rng), format=rng.randrange(4))
        if rng.random() < 0.5:
            request.bill_to.CopyFrom(address(rng))
        # A few documents are longer than what the filter keeps of a body.
        request.terms_pages = rng.choice([0, 0, 0, 1, 2, 8])
        if request.format == pb.DOCUMENT_FORMAT_TEXT and rng.random() < 0.2:
            request.ClearField("bill_to")
            request.terms_pages = 60
        await self.stub.RenderInvoice(request, **options(rng))

    async def list_orders(self, rng):
        request = pb.ListOrdersRequest(
            first_number=rng.randrange(5000), page_size=rng.choice([0, 1, 3, 10, 20, 51])
        )
        request.states.extend(sorted(rng.sample(range(1, 8), rng.choice([0, 0, 1, 3]))))
        async for _ in self.stub.ListOrders(request, **options(rng)):
            pass

    async def track_shipment(self, rng):
        request = pb.TrackShipmentRequest(order_id=order_id(rng))
        if rng.random() < 0.2:
            request.pace.nanos = 20_000_000
        async for _ in self.stub.TrackShipment(request, **options(rng)):
            pass

    async def import_stock(self, rng):
        # One warehouse in five sends nothing that can be accepted.
        warehouses = {name: rng.random() < 0.8 for name in ("north", "south", "harbour")}

        async def levels():
            for _ in range(rng.choice([0, 1, 4, 10, 30])):
                warehouse, usable = rng.choice(list(warehouses.items()))
                yield pb.StockLevel(
                    sku=rng.choice(SKUS) if usable else "TEA-000",
                    warehouse=warehouse,
                    on_hand=rng.randrange(-2, 500),
                    lot=rng.randbytes(rng.choice([0, 8, 16, 70])),
                )

        await self.stub.ImportStock(levels(), **options(rng))

    async def check_availability(self, rng):
        call = self.stub.CheckAvailability(**options(rng))
        for _ in range(rng.choice([0, 1, 2, 5, 12])):
            await call.write(availability_query(rng))
            await call.read()
        await call.done_writing()
        while await call.read() != grpc.aio.EOF:
            pass

    async def deadline_passes(self, rng):
        request = pb.TrackShipmentRequest(order_id=existing_order_id(rng))
        request.pace.nanos = 150_000_000
        async for _ in self.stub.TrackShipment(request, timeout=0.08):
            pass

    async def cancelled_by_caller(self, rng):
        call = self.stub.CheckAvailability(timeout=PATIENCE_S)
        await call.write(availability_query(rng))
        await call.read()
        call.cancel()
        await call.code()
        raise asyncio.CancelledError


def options(rng) -> dict:
    """What goes with an ordinary call: a deadline, and metadata as applications send it."""
    metadata = [("x-tenant", rng.choice(["north", "south"]))]
    if rng.random() < 0.2:
        metadata.append(("x-session-token", f"{rng.getrandbits(128):032x}"))
    if rng.random() < 0.1:
        metadata.append(("x-baggage-bin", rng.randbytes(24)))
    return {"timeout": PATIENCE_S, "metadata": metadata}


def existing_order_id(rng) -> str:
    number = rng.randrange(1, 5000)
    return f"o-{number - (number % 29 == 0):06}"


def order_id(rng) -> str:
    """Mostly an order that exists."""
    if rng.random() < 0.05:
        return rng.choice(["o-999999", "o-000029", "", "order 12"])
    return existing_order_id(rng)


def address(rng) -> pb.Address:
    return pb.Address(
        name=rng.choice(NAMES),
        street=f"Hafenstraße {rng.randrange(1, 200)}",
        postal_code=f"{rng.randrange(10000, 99999)}",
        city="Bremen",
        country_code=rng.choice(COUNTRIES),
    )


def availability_query(rng) -> pb.AvailabilityQuery:
    sku = rng.choice(SKUS) if rng.random() > 0.08 else "TEA-404"
    return pb.AvailabilityQuery(sku=sku, quantity=rng.randrange(0, 40))


METHODS = {
    "deadline_passes": "TrackShipment",
    "cancelled_by_caller": "CheckAvailability",
}


def method(kind: str) -> str:
    """The RPC method that a kind of call goes to."""
    return METHODS.get(kind) or "".join(word.capitalize() for word in kind.split("_"))


class Tally:
    def __init__(self):
        self.issued = collections.Counter()
        self.statuses = collections.Counter()
        self.foreign = []

    async def make(self, caller, kind, seed):
        self.issued[method(kind)] += 1
        try:
            await getattr(caller, kind)(random.Random(seed))
            status = grpc.StatusCode.OK
        except grpc.aio.AioRpcError as error:
            status = error.code()
            if status in FOREIGN:
                self.foreign.append(f"{kind} (seed {seed}): {status.name}: {error.details()}")
        except asyncio.CancelledError:
            status = grpc.StatusCode.CANCELLED
        except Exception as error:
            self.foreign.append(f"{kind} (seed {seed}): {error!r}")
            status = grpc.StatusCode.UNKNOWN
        self.statuses[status.name] += 1


async def drive(target: str, count: int, rate: float, seed: int) -> Tally:
    rng = random.Random(seed)
    kinds = rng.choices(list(WEIGHTS), weights=list(WEIGHTS.values()), k=count)
    tally, started, open_calls = Tally(), time.monotonic(), set()
    async with grpc.aio.insecure_channel(target) as channel:
        caller = Caller(channel)
        for index, kind in enumerate(kinds):
            due = started + index / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            call = asyncio.create_task(tally.make(caller, kind, seed * 1_000_003 + index))
            open_calls.add(call)
            call.add_done_callback(open_calls.discard)
            if (index + 1) % max(1, count // 100) == 0 or index + 1 == count:
                show_progress(index + 1, count, started)
        if open_calls:
            await asyncio.wait(open_calls)
    return tally


def show_progress(done: int, count: int, started: float):
    filled = 30 * done // count
    bar = "█" * filled + "░" * (30 - filled)
    seconds = time.monotonic() - started
    text = f"  {bar} {done}/{count} calls, {done / max(seconds, 1e-9):.0f}/s"
    if sys.stdout.isatty():
        print(f"\r{text}", end="" if done < count else "\n", flush=True)
    elif done % max(1, count // 5) < max(1, count // 100):
        print(text, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--target", default="127.0.0.1:10000", help="host:port of Envoy")
    parser.add_argument("--count", type=int, default=3600, help="calls to make")
    parser.add_argument("--rate", type=float, default=200.0, help="calls per second")
    parser.add_argument("--seed", type=int, default=7, help="the same seed makes the same calls")
    parser.add_argument("--summary", help="write the count of issued calls to this JSON file")
    args = parser.parse_args()
    try:
        tally = asyncio.run(drive(args.target, args.count, args.rate, args.seed))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    for name, issued in sorted(tally.issued.items()):
        print(f"  {name:<18} {issued:>5} calls")
    print("  answered: " + ", ".join(f"{n} {count}" for n, count in tally.statuses.most_common()))
    if args.summary:
        with open(args.summary, "w", encoding="utf-8") as file:
            json.dump({"issued": tally.issued, "statuses": tally.statuses}, file)
    for line in tally.foreign[:10]:
        print(f"  the caller noticed: {line}", file=sys.stderr)
    return 1 if tally.foreign else 0


if __name__ == "__main__":
    sys.exit(main())
