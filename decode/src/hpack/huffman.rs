//! The Huffman code of RFC 7541, appendix B.
//!
//! The code is canonical: lengths alone define it, codes of one length follow each other in the
//! order of their symbols. One look at eight bits decodes every symbol of up to eight bits, which
//! is all of lower-case text; longer codes are found by their length. What comes out is at most
//! 8/5 of what goes in.

use super::HpackError;

/// Length in bits of the code of each symbol; the last is EOS.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11,
    10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8,
    15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5,
    6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23,
    23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21,
    23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25,
    26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26,
    28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// The longest code.
const LENGTH_MAX: usize = 30;

/// What appendix B unfolds to.
struct Code {
    /// By the next eight bits: the symbol and its length; length 0 if the code is longer.
    short: [(u8, u8); 256],
    /// All symbols in the order of their codes; EOS, the last, is 256.
    symbols: [u16; 257],
    /// By length: index into `symbols` of the first symbol of that length.
    index: [u32; LENGTH_MAX + 1],
    /// By length: the first code of that length, in the highest bits of 32.
    first: [u64; LENGTH_MAX + 1],
    /// By length: the first value above the codes of up to that length, in the highest of 32 bits.
    limit: [u64; LENGTH_MAX + 1],
}

static CODE: Code = unfold();

#[allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated by the compiler, where an index out of range is an error; symbols are below 257"
)]
const fn unfold() -> Code {
    let mut code = Code {
        short: [(0, 0); 256],
        symbols: [0; 257],
        index: [0; LENGTH_MAX + 1],
        first: [0; LENGTH_MAX + 1],
        limit: [0; LENGTH_MAX + 1],
    };
    let (mut next, mut count, mut length) = (0_u64, 0, 1);
    while length <= LENGTH_MAX {
        code.index[length] = count as u32;
        code.first[length] = next;
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                code.symbols[count] = symbol as u16;
                count += 1;
                if length <= 8 {
                    let mut at = (next >> 24) as usize;
                    let end = at + (1 << (8 - length));
                    while at < end {
                        code.short[at] = (symbol as u8, length as u8);
                        at += 1;
                    }
                }
                next += 1 << (32 - length);
            }
            symbol += 1;
        }
        code.limit[length] = next;
        length += 1;
    }
    code
}

/// Appends what `bytes` decode to.
pub(super) fn decode(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), HpackError> {
    out.reserve(bytes.len() * 8 / 5 + 1);
    let mut input = bytes.iter();
    // The next bits, from the highest down, and how many of them are input.
    let (mut bits, mut count) = (0_u64, 0_u32);
    loop {
        while count <= 56 {
            let Some(byte) = input.next() else { break };
            bits |= u64::from(*byte) << (56 - count);
            count += 8;
        }
        let (symbol, length) = next_symbol(bits)?;
        if length > count {
            return end_of_string(bits, count);
        }
        let Ok(symbol) = u8::try_from(symbol) else {
            return Err(HpackError::HuffmanEos);
        };
        out.push(symbol);
        bits <<= length;
        count -= length;
    }
}

/// The symbol that `bits` begin with, and its length.
fn next_symbol(bits: u64) -> Result<(u16, u32), HpackError> {
    let [byte, ..] = bits.to_be_bytes();
    if let Some((symbol, length)) = CODE.short.get(usize::from(byte)).filter(|code| code.1 > 0) {
        return Ok((u16::from(*symbol), u32::from(*length)));
    }
    let window = bits >> 32;
    let found = (9..=30_u32)
        .zip(CODE.limit.iter().skip(9))
        .find(|(_, limit)| window < **limit);
    let entry = found.and_then(|(length, _)| {
        let at = usize::try_from(length).ok()?;
        let above = (window - CODE.first.get(at)?) >> (32 - length);
        let index = usize::try_from(u64::from(*CODE.index.get(at)?) + above).ok()?;
        Some((*CODE.symbols.get(index)?, length))
    });
    // The code is complete, so every window is below the last limit.
    entry.ok_or(HpackError::HuffmanEos)
}

/// "Padding strictly longer than 7 bits MUST be treated as a decoding error", as must other bits
/// than the highest of EOS.
fn end_of_string(bits: u64, count: u32) -> Result<(), HpackError> {
    let padding = if count == 0 { 0 } else { bits >> (64 - count) };
    if count < 8 && padding == (1 << count) - 1 {
        Ok(())
    } else {
        Err(HpackError::HuffmanPadding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> Result<Vec<u8>, HpackError> {
        let mut out = Vec::new();
        decode(bytes, &mut out).map(|()| out)
    }

    #[test]
    fn examples_of_rfc_7541_decode() {
        let host = [
            0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff,
        ];
        assert_eq!(decoded(&host).unwrap(), b"www.example.com");
        assert_eq!(
            decoded(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]).unwrap(),
            b"no-cache"
        );
        assert_eq!(decoded(&[]).unwrap(), b"");
    }

    #[test]
    fn every_symbol_decodes_to_itself() {
        // Encode with the same lengths, the other way round.
        for (index, symbol) in CODE.symbols.iter().enumerate().take(256) {
            let length = usize::from(LENGTHS[usize::from(*symbol)]);
            let above = index as u64 - u64::from(CODE.index[length]);
            let code = CODE.first[length] + (above << (32 - length));
            let padded = (code | (u64::from(u32::MAX) >> length)).to_be_bytes();
            let bytes = &padded[4..4 + length.div_ceil(8)];
            assert_eq!(
                decoded(bytes).unwrap(),
                [u8::try_from(*symbol).unwrap()],
                "{symbol}"
            );
        }
    }

    #[test]
    fn padding_of_eight_bits_or_of_zeros_is_refused() {
        // 'a' is 00011: three bits of padding are left.
        assert_eq!(decoded(&[0b0001_1111]).unwrap(), b"a");
        assert_eq!(decoded(&[0b0001_1110]), Err(HpackError::HuffmanPadding));
        assert_eq!(
            decoded(&[0b0001_1111, 0xff]),
            Err(HpackError::HuffmanPadding)
        );
    }

    #[test]
    fn the_symbol_eos_is_refused() {
        assert_eq!(decoded(&[0xff; 4]), Err(HpackError::HuffmanEos));
    }
}
