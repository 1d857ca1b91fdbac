"""The shop's data: every order, product and parcel is computed from its number.

No database, no clock, no randomness, so that two implementations can agree to the last bit. The
candidate has the same tables and the same arithmetic in `demo/candidate/src/catalog.rs`.
"""

import math

from shop.orders.v1 import orders_pb2 as pb

ORDERS_COUNT = 5000
# 2025-01-01T00:00:00Z.
FIRST_DAY = 1_735_689_600

PRODUCTS = [
    # sku, title, unit price
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
]
COLOURS = ["white", "cobalt", "sage", "anthracite"]
FIRST_NAMES = ["Ada", "Björn", "Chiara", "Darya", "Émile", "Fatima", "Grace", "Hiroshi"]
LAST_NAMES = ["Lindqvist", "Okafor", "Müller", "Rossi", "Sato", "van den Berg", "Ó Briain"]
STREETS = ["Harbour Road", "Rue de l'Église", "Bahnhofstraße", "Calle Mayor", "Strandvägen"]
CITIES = [
    # city, country, latitude, longitude
    ("Hamburg", "DE", 53.5511, 9.9937),
    ("Lyon", "FR", 45.764, 4.8357),
    ("Uppsala", "SE", 59.8586, 17.6389),
    ("Bergen", "NO", 60.3913, 5.3221),
    ("Valencia", "ES", 39.4699, -0.3763),
    ("Graz", "AT", 47.0707, 15.4395),
]
TAGS = ["gift", "priority", "first-order", "fragile", "bulk", "returning"]
NETWORKS = ["visa", "mastercard", "girocard"]
EUROPEAN_UNION = ["DE", "FR", "SE", "ES", "AT", "IT", "NL"]
MASK = 0xFFFFFFFF


def mix(number: int, salt: int) -> int:
    """A 32-bit hash of a number: the source of all variety."""
    x = (number * 0x9E3779B1 + salt * 0x85EBCA77) & MASK
    x ^= x >> 15
    x = (x * 0x2C1B3C6D) & MASK
    return x ^ (x >> 12)


def fnv1a(data: bytes) -> int:
    """FNV-1a, 32 bits."""
    x = 0x811C9DC5
    for byte in data:
        x = ((x ^ byte) * 0x01000193) & MASK
    return x


def cents(amount: float) -> float:
    """Rounds to two decimals, halves up."""
    return math.floor(amount * 100.0 + 0.5) / 100.0


def order_id(number: int) -> str:
    return f"o-{number:06}"


def order_number(identifier: str) -> int | None:
    """The number of an order that exists, else None."""
    digits = identifier.removeprefix("o-")
    if len(identifier) != 8 or len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
        return None
    number = int(digits)
    return number if 1 <= number <= ORDERS_COUNT and number % 29 != 0 else None


def product(sku: str) -> tuple[str, str, float] | None:
    return next((found for found in PRODUCTS if found[0] == sku), None)


def on_hand(sku: str) -> int:
    """Pieces in stock: about one product in four is out."""
    seed = fnv1a(sku.encode())
    return 0 if seed % 4 == 0 else seed % 200


def full_name(number: int) -> str:
    first = FIRST_NAMES[mix(number, 6) % len(FIRST_NAMES)]
    return f"{first} {LAST_NAMES[mix(number, 7) % len(LAST_NAMES)]}"


def city(number: int) -> tuple[str, str, float, float]:
    return CITIES[mix(number, 8) % len(CITIES)]


def address(number: int) -> pb.Address:
    town, country, _, _ = city(number)
    return pb.Address(
        name=full_name(number),
        street=f"{STREETS[mix(number, 9) % len(STREETS)]} {1 + mix(number, 10) % 120}",
        postal_code=f"{10000 + mix(number, 11) % 89999}",
        city=town,
        country_code=country,
    )


def line(number: int, index: int) -> pb.OrderLine:
    sku, title, price = PRODUCTS[mix(number, 20 + index) % len(PRODUCTS)]
    found = pb.OrderLine(
        sku=sku, title=title, quantity=1 + mix(number, 30 + index) % 4, unit_price=price
    )
    if mix(number, 40 + index) % 3 == 0:
        found.discount = mix(number, 50 + index) % 4 * 0.05
    if not sku.startswith("TEA"):
        found.attributes["colour"] = COLOURS[mix(number, 60 + index) % len(COLOURS)]
    found.attributes["shelf"] = f"{mix(number, 70 + index) % 40:02}"
    return found


def total(lines: list[pb.OrderLine]) -> float:
    amount = 0.0
    for entry in lines:
        amount += entry.quantity * entry.unit_price * (1.0 - entry.discount)
    return cents(amount)


def state(number: int) -> int:
    return 1 + mix(number, 1) % 7


def placed_at(number: int) -> int:
    """Seconds since the Unix epoch."""
    return FIRST_DAY + mix(number, 4) % (200 * 86_400)


def tags(number: int) -> list[str]:
    count, start = mix(number, 14) % 4, mix(number, 15)
    return [TAGS[(start + 5 * index) % len(TAGS)] for index in range(count)]


def order(number: int) -> pb.Order:
    lines = [line(number, index) for index in range(1 + mix(number, 3) % 5)]
    name = full_name(number)
    found = pb.Order(
        order_id=order_id(number),
        state=state(number),
        customer=pb.Customer(
            customer_id=f"c-{mix(number, 2) % 20000:05}",
            full_name=name,
            email=f"customer{mix(number, 2) % 20000}@example.com",
        ),
        lines=lines,
        ship_to=address(number),
        labels={"channel": ["web", "app", "phone"][number % 3], "region": city(number)[1]},
        total=total(lines),
        tags=tags(number),
        receipt_digest=b"".join(mix(number, 80 + i).to_bytes(4, "big") for i in range(4)),
    )
    match mix(number, 12) % 4:
        case 0:
            found.card.network = NETWORKS[mix(number, 13) % len(NETWORKS)]
            found.card.last_digits = f"{mix(number, 16) % 10000:04}"
        case 1:
            found.bank_transfer.iban = f"DE{mix(number, 16) % 90 + 10}5001051700{number:010}"
        case 2:
            found.voucher_code = f"TEA-{mix(number, 16) % 1000:03}"
    found.placed_at.seconds = placed_at(number)
    found.placed_at.nanos = mix(number, 5) % 1000 * 1_000_000
    found.promised_within.seconds = (1 + mix(number, 17) % 9) * 86_400
    if number % 5 == 0:
        found.gift_note = f"With love from {name}"
    elif number % 10 == 3:
        found.gift_note = ""
    return found
