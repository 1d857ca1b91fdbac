//! Stock counts as they are imported.

use crate::catalog;
use crate::failure;
use crate::pb::import_stock_response::Rejection;
use crate::pb::{ImportStockResponse, StockLevel};
use tonic::{Status, Streaming};

const LOT_BYTES_MAX: usize = 64;

/// Reads the whole count, then sums it up.
pub(crate) async fn import(
    mut levels: Streaming<StockLevel>,
) -> Result<ImportStockResponse, Status> {
    let mut response = ImportStockResponse::default();
    while let Some(level) = levels.message().await? {
        // planted: map-entry. The old service names every warehouse, also with 0 accepted.
        match rejection(&level) {
            Some(reason) => response.rejected.push(Rejection {
                index: response.received,
                reason: reason.to_owned(),
            }),
            None => {
                *response
                    .accepted_by_warehouse
                    .entry(level.warehouse)
                    .or_default() += 1
            }
        }
        response.checksum = response
            .checksum
            .wrapping_mul(31)
            .wrapping_add(catalog::fnv1a(&level.lot).into())
            .wrapping_add(level.on_hand.cast_unsigned());
        response.received += 1;
    }
    if response.received == 0 {
        return Err(failure::invalid("", "the count is empty"));
    }
    Ok(response)
}

fn rejection(level: &StockLevel) -> Option<&'static str> {
    if catalog::unit_price(&level.sku).is_none() {
        Some("unknown product")
    } else if level.on_hand < 0 {
        Some("negative count")
    } else if level.lot.len() > LOT_BYTES_MAX {
        Some("lot number too long")
    } else {
        None
    }
}
