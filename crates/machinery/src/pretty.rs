//! JSON as people read it, made from compact JSON as it passes.
//!
//! Nothing is parsed into values: what is kept of an answer of any size is where in it the next byte is. The result is
//! what `serde_json` writes for the same value.

/// Where in a document the next byte is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Between values, or in a number or word.
    Between,
    /// Behind the bracket that opens an object or an array.
    Opened,
    Text,
    /// Behind a backslash in a text.
    Escaped,
}

/// A compact document on its way to a pretty one.
pub struct Pretty {
    depth: usize,
    place: Place,
}

impl Default for Pretty {
    fn default() -> Self {
        Self { depth: 0, place: Place::Between }
    }
}

impl Pretty {
    /// Appends what the next bytes become, until `out` has about `bytes_max`; returns how many of them that were.
    pub fn write(&mut self, input: &[u8], out: &mut Vec<u8>, bytes_max: usize) -> usize {
        let mut read = 0;
        while read < input.len() && out.len() < bytes_max {
            read += match self.place {
                Place::Text => {
                    let end = input.len().min(read + bytes_max - out.len());
                    self.text(&input[read..end], out)
                }
                _ => {
                    self.byte(input[read], out);
                    1
                }
            };
        }
        read
    }

    /// The rest of a text, as far as it is there.
    fn text(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let special = input.iter().position(|byte| matches!(byte, b'"' | b'\\'));
        let length = special.map_or(input.len(), |at| at + 1);
        out.extend_from_slice(&input[..length]);
        self.place = match special.map(|at| input[at]) {
            None => Place::Text,
            Some(b'\\') => Place::Escaped,
            Some(_) => Place::Between,
        };
        length
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.place == Place::Escaped {
            out.push(byte);
            self.place = Place::Text;
            return;
        }
        let opened = std::mem::replace(&mut self.place, Place::Between) == Place::Opened;
        match byte {
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if !opened {
                    self.line(out);
                }
                out.push(byte);
                return;
            }
            _ if opened => self.line(out),
            _ => {}
        }
        out.push(byte);
        match byte {
            b'{' | b'[' => {
                self.depth += 1;
                self.place = Place::Opened;
            }
            b',' => self.line(out),
            b':' => out.push(b' '),
            b'"' => self.place = Place::Text,
            _ => {}
        }
    }

    fn line(&self, out: &mut Vec<u8>) {
        out.push(b'\n');
        out.resize(out.len() + 2 * self.depth, b' ');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f32>().prop_map(|it| Value::from(f64::from(it))),
            r#"[a-z"\\\n\t{}\[\],:é ]{0,12}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            let key = r#"[a-z"\\:{, ]{0,4}"#;
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(key, inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// However the document is cut on its way in and out, the result is that of the whole value.
        #[test]
        fn it_is_what_the_value_looks_like(value in value(), cut in 1..40usize, room in 1..90usize) {
            let compact = value.to_string();
            let (mut pretty, mut all) = (Pretty::default(), Vec::new());
            for mut part in compact.as_bytes().chunks(cut) {
                while !part.is_empty() {
                    let mut out = Vec::new();
                    let read = pretty.write(part, &mut out, room);
                    prop_assert!(read > 0 && out.len() < room + 2 * 5 + 4, "{} bytes", out.len());
                    part = &part[read..];
                    all.extend(out);
                }
            }
            prop_assert_eq!(String::from_utf8(all).unwrap(), serde_json::to_string_pretty(&value).unwrap());
        }
    }
}
