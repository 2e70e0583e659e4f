//! The text form of label selectors: `a=b,c!=d,e in (f,g),!h,i>3`.

use std::iter::Peekable;
use std::str::CharIndices;

use super::{Operator, REQUIREMENTS_MAX, Requirement};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bad,
    End,
    Close,
    Comma,
    Not,
    Equals,
    NotEquals,
    Greater,
    Less,
    In,
    NotIn,
    Open,
    Word,
}

type Token = (Kind, String);

pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, String> {
    let mut parser = Parser { tokens: scan(text), at: 0 };
    let mut out = Vec::new();
    loop {
        let (kind, literal) = parser.peek();
        match kind {
            Kind::Word | Kind::Not => {}
            Kind::End => return Ok(out),
            _ => {
                return Err(format!(
                    "found '{literal}', expected: !, identifier, or 'end of string'"
                ));
            }
        }
        let requirement =
            parser.requirement().map_err(|why| format!("unable to parse requirement: {why}"))?;
        out.push(requirement);
        if out.len() > REQUIREMENTS_MAX {
            return Err(format!("a selector may have at most {REQUIREMENTS_MAX} requirements"));
        }
        let (kind, literal) = parser.next();
        match kind {
            Kind::End => return Ok(out),
            Kind::Comma => {
                let (next, literal) = parser.peek();
                if !matches!(next, Kind::Word | Kind::Not) {
                    return Err(format!("found '{literal}', expected: identifier after ','"));
                }
            }
            _ => return Err(format!("found '{literal}', expected: ',' or 'end of string'")),
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn raw(&self) -> Token {
        self.tokens.get(self.at).cloned().unwrap_or((Kind::End, String::new()))
    }

    /// The next token where `in` and `notin` are ordinary words.
    fn peek(&self) -> Token {
        let (kind, literal) = self.raw();
        match kind {
            Kind::In | Kind::NotIn => (Kind::Word, literal),
            _ => (kind, literal),
        }
    }

    fn next(&mut self) -> Token {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let (mut kind, mut literal) = self.next();
        let negated = kind == Kind::Not;
        if negated {
            (kind, literal) = self.next();
        }
        if kind != Kind::Word {
            return Err(format!("found '{literal}', expected: identifier"));
        }
        let key = literal;
        if negated {
            return Requirement::new(&key, Operator::DoesNotExist, Vec::new());
        }
        if matches!(self.peek().0, Kind::End | Kind::Comma) {
            return Requirement::new(&key, Operator::Exists, Vec::new());
        }
        let (kind, literal) = self.raw();
        self.at += 1;
        let (operator, values) = match kind {
            Kind::In => (Operator::In, self.values()?),
            Kind::NotIn => (Operator::NotIn, self.values()?),
            Kind::Equals => (Operator::In, self.exact_value()?),
            Kind::NotEquals => (Operator::NotIn, self.exact_value()?),
            Kind::Greater => (Operator::GreaterThan, self.exact_value()?),
            Kind::Less => (Operator::LessThan, self.exact_value()?),
            _ => return Err(format!("found '{literal}', expected: in, notin, =, ==, !=, gt, lt")),
        };
        Requirement::new(&key, operator, values)
    }

    fn exact_value(&mut self) -> Result<Vec<String>, String> {
        if matches!(self.peek().0, Kind::End | Kind::Comma) {
            return Ok(vec![String::new()]);
        }
        match self.next() {
            (Kind::Word, literal) => Ok(vec![literal]),
            (_, literal) => Err(format!("found '{literal}', expected: identifier")),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        let (kind, literal) = self.next();
        if kind != Kind::Open {
            return Err(format!("found '{literal}' expected: '('"));
        }
        let (kind, literal) = self.peek();
        match kind {
            Kind::Word | Kind::Comma => {}
            Kind::Close => {
                self.at += 1;
                return Ok(Vec::new());
            }
            _ => return Err(format!("found '{literal}', expected: ',', ')' or identifier")),
        }
        self.value_list()
    }

    /// The values up to and with the closing parenthesis; an empty place between commas is the empty value.
    fn value_list(&mut self) -> Result<Vec<String>, String> {
        let mut out = Vec::new();
        loop {
            match self.next() {
                (Kind::Word, literal) => out.push(literal),
                (Kind::Comma | Kind::Close, _) => {
                    self.at -= 1;
                    out.push(String::new());
                }
                (_, literal) => {
                    return Err(format!("found '{literal}', expected: ',', or identifier"));
                }
            }
            match self.next() {
                (Kind::Comma, _) => {}
                (Kind::Close, _) => return Ok(out),
                (_, literal) => return Err(format!("found '{literal}', expected: ',' or ')'")),
            }
            if out.len() > REQUIREMENTS_MAX {
                return Err(format!("a selector may have at most {REQUIREMENTS_MAX} values"));
            }
        }
    }
}

fn is_symbol(character: char) -> bool {
    "=!(),><".contains(character)
}

fn scan(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut characters = text.char_indices().peekable();
    while let Some(&(start, character)) = characters.peek() {
        if matches!(character, ' ' | '\t' | '\r' | '\n') {
            characters.next();
        } else if is_symbol(character) {
            tokens.push(scan_symbol(&mut characters));
        } else {
            tokens.push(scan_word(text, start, &mut characters));
        }
    }
    tokens
}

fn scan_word(text: &str, start: usize, characters: &mut Peekable<CharIndices<'_>>) -> Token {
    let mut end = start;
    while let Some((at, character)) = characters
        .next_if(|(_, character)| !is_symbol(*character) && !" \t\r\n".contains(*character))
    {
        end = at + character.len_utf8();
    }
    let word = &text[start..end];
    let kind = match word {
        "in" => Kind::In,
        "notin" => Kind::NotIn,
        _ => Kind::Word,
    };
    (kind, word.to_owned())
}

fn scan_symbol(characters: &mut Peekable<CharIndices<'_>>) -> Token {
    let (_, first) = characters.next().expect("the caller peeked a symbol");
    let mut followed_by = |wanted: char| characters.next_if(|(_, next)| *next == wanted).is_some();
    match first {
        ')' => (Kind::Close, ")".into()),
        '(' => (Kind::Open, "(".into()),
        ',' => (Kind::Comma, ",".into()),
        '>' => (Kind::Greater, ">".into()),
        '<' => (Kind::Less, "<".into()),
        '=' if followed_by('=') => (Kind::Equals, "==".into()),
        '=' => (Kind::Equals, "=".into()),
        '!' if followed_by('=') => (Kind::NotEquals, "!=".into()),
        '!' => (Kind::Not, "!".into()),
        other => (Kind::Bad, other.into()),
    }
}
