//! What every kind is: names, schema, defaults, strategies, printing, discovery and OpenAPI, built-in kinds and CRDs alike.
