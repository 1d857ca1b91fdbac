//! Keeps calls: a journal that is durable before anything is acknowledged, then Parquet.

pub mod journal;
pub mod parquet;
