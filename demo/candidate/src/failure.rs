//! How calls fail: a status with google.rpc details, as the old service sends them.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// A status without details.
pub(crate) fn plain(code: Code, message: impl Into<String>) -> Status {
    Status::with_error_details(code, message, ErrorDetails::new())
}

/// INVALID_ARGUMENT with a `BadRequest` about one field.
pub(crate) fn invalid(field: impl Into<String>, description: impl Into<String>) -> Status {
    let description = description.into();
    let details = ErrorDetails::with_bad_request_violation(field, &description);
    Status::with_error_details(Code::InvalidArgument, description, details)
}

/// NOT_FOUND with a `ResourceInfo`.
pub(crate) fn missing(kind: &str, resource_type: &str, name: &str) -> Status {
    let details = ErrorDetails::with_resource_info(resource_type, name, "", "");
    Status::with_error_details(
        Code::NotFound,
        format!("{kind} {name} does not exist"),
        details,
    )
}

/// A `PreconditionFailure` about the stock of one product.
pub(crate) fn out_of_stock(sku: &str) -> Status {
    let details =
        ErrorDetails::with_precondition_failure_violation("STOCK", sku, "not enough in stock");
    // planted: out-of-stock-status. The old service answers FAILED_PRECONDITION.
    Status::with_error_details(
        Code::InvalidArgument,
        format!("{sku} is out of stock"),
        details,
    )
}
