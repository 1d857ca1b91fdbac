//! What a comparison found, for people and programs: terminal, JSON, Parquet.
