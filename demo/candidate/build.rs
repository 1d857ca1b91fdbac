//! Generates the service from the demo's `.proto`, without protoc.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=../proto");
    let mut descriptors = protox::compile(["shop/orders/v1/orders.proto"], ["../proto"])?;

    // planted: extra-field. The new team's copy of the schema has one field more.
    let invoice = descriptors
        .file
        .iter_mut()
        .flat_map(|file| &mut file.message_type)
        .find(|message| message.name() == "Invoice")
        .ok_or("no message Invoice")?;
    let mut revision = invoice.field.first().ok_or("Invoice has no field")?.clone();
    revision.name = Some("template_revision".to_owned());
    revision.json_name = Some("templateRevision".to_owned());
    revision.number = Some(15);
    invoice.field.push(revision);
    // Comments are looked up by position, and the new field has none.
    for file in &mut descriptors.file {
        file.source_code_info = None;
    }

    tonic_prost_build::configure()
        .build_client(false)
        .compile_fds(descriptors)?;
    Ok(())
}
