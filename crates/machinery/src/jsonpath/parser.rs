//! From text to steps.

use serde_json::Value;

use super::{Comparison, Filter, JsonPath, JsonPathError, STEPS_MAX, Step};

/// The longest path accepted.
const LENGTH_MAX: usize = 4_096;

pub(super) fn parse(text: &str) -> Result<JsonPath, JsonPathError> {
    let mut parser = Parser { text, at: 0 };
    if text.len() > LENGTH_MAX {
        return Err(parser.error("the path is too long"));
    }
    let braced = parser.eat("{");
    let path = parser.path(Part::Whole)?;
    if braced && !parser.eat("}") {
        return Err(parser.error("expected }"));
    }
    if parser.at < text.len() {
        return Err(parser.error("expected . or ["));
    }
    Ok(path)
}

/// Whether the path stands alone or within a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    Filter,
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn error(&self, why: &'static str) -> JsonPathError {
        let text = self.text.chars().take(256).collect();
        JsonPathError { text, at: self.at, why }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str, why: &'static str) -> Result<(), JsonPathError> {
        if self.eat(token) { Ok(()) } else { Err(self.error(why)) }
    }

    fn skip_spaces(&mut self) {
        while self.eat(" ") {}
    }

    fn path(&mut self, part: Part) -> Result<JsonPath, JsonPathError> {
        let mut steps = Vec::new();
        if !self.eat("$") {
            self.eat("@");
        }
        // A first name may stand without its dot.
        if part == Part::Whole && self.rest().starts_with(|c: char| c.is_alphanumeric() || c == '_')
        {
            steps.push(Step::Member(self.name()?));
        }
        loop {
            if steps.len() > STEPS_MAX {
                return Err(self.error("the path has too many steps"));
            }
            if self.eat("..") {
                steps.push(Step::Descend);
                if !self.rest().starts_with('[') {
                    steps.push(self.member()?);
                }
            } else if self.eat(".") {
                if self.rest().is_empty() && steps.is_empty() {
                    break;
                }
                steps.push(self.member()?);
            } else if self.eat("[") {
                steps.push(self.bracket(part)?);
            } else {
                break;
            }
        }
        Ok(JsonPath { steps })
    }

    fn member(&mut self) -> Result<Step, JsonPathError> {
        if self.eat("*") { Ok(Step::Each) } else { Ok(Step::Member(self.name()?)) }
    }

    /// A name up to the next special character; a backslash makes one ordinary.
    fn name(&mut self) -> Result<String, JsonPathError> {
        let mut out = String::new();
        let mut characters = self.rest().char_indices();
        let mut length = self.rest().len();
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some((_, escaped)) => out.push(escaped),
                    None => return Err(self.error("nothing follows the backslash")),
                },
                '.' | '[' | ']' | '}' | '{' | ' ' | '=' | '!' | '<' | '>' | ')' | '(' => {
                    length = at;
                    break;
                }
                other => out.push(other),
            }
        }
        if out.is_empty() {
            return Err(self.error("expected a name"));
        }
        self.at += length;
        Ok(out)
    }

    fn bracket(&mut self, part: Part) -> Result<Step, JsonPathError> {
        self.skip_spaces();
        let step = if self.eat("*") {
            Step::Each
        } else if self.rest().starts_with(['\'', '"']) {
            Step::Member(self.quoted()?)
        } else if self.eat("?(") {
            if part == Part::Filter {
                return Err(self.error("a filter cannot hold another"));
            }
            let filter = self.filter()?;
            self.expect(")", "expected )")?;
            Step::Filter(filter)
        } else {
            self.index()?
        };
        self.skip_spaces();
        self.expect("]", "expected ]")?;
        Ok(step)
    }

    fn index(&mut self) -> Result<Step, JsonPathError> {
        let start = self.number()?;
        if !self.eat(":") {
            return start.map(Step::Index).ok_or_else(|| self.error("expected an index"));
        }
        Ok(Step::Slice(start, self.number()?))
    }

    fn number(&mut self) -> Result<Option<i64>, JsonPathError> {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
        if end == 0 {
            return Ok(None);
        }
        let number = rest[..end].parse().map_err(|_| self.error("expected a number"))?;
        self.at += end;
        Ok(Some(number))
    }

    fn quoted(&mut self) -> Result<String, JsonPathError> {
        let quote = self.rest().chars().next().ok_or_else(|| self.error("expected a quote"))?;
        let mut out = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            if character == quote {
                self.at += at + 1;
                return Ok(out);
            }
            match character {
                '\\' => out.extend(characters.next().map(|(_, escaped)| escaped)),
                other => out.push(other),
            }
        }
        Err(self.error("the quote is not closed"))
    }

    fn filter(&mut self) -> Result<Filter, JsonPathError> {
        self.skip_spaces();
        let left = self.path(Part::Filter)?;
        self.skip_spaces();
        let operators = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let Some((_, comparison)) = operators.into_iter().find(|(token, _)| self.eat(token)) else {
            return Ok(Filter { left, test: None });
        };
        self.skip_spaces();
        let value = self.literal()?;
        self.skip_spaces();
        Ok(Filter { left, test: Some((comparison, value)) })
    }

    fn literal(&mut self) -> Result<Value, JsonPathError> {
        if self.rest().starts_with(['\'', '"']) {
            return Ok(Value::String(self.quoted()?));
        }
        let rest = self.rest();
        let end = rest.find([')', ' ']).unwrap_or(rest.len());
        let value =
            serde_json::from_str(&rest[..end]).map_err(|_| self.error("expected a value"))?;
        self.at += end;
        Ok(value)
    }
}
