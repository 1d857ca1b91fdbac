-- What `twintap compare` found, one row per method, place, path and kind. List indices and map keys
-- in paths become `[*]`.
SELECT
    rpc_method,
    place,
    regexp_replace(path, '\[(-?\d+|true|false|"[^"]*")\]', '[*]', 'g') AS path,
    kind,
    count(DISTINCT (primary_producer_id, primary_record_number))::INTEGER AS calls,
    any_value(explanation) AS explanation,
    any_value(primary_value) AS old_example,
    any_value(candidate_value) AS new_example
FROM '{data}/differences/v1/**/*.parquet'
WHERE ignored_by IS NULL
GROUP BY ALL
ORDER BY ALL
