//! A question to the application in the same pod, for probes: many applications answer a word in plain text, and their
//! images hold no program that could ask.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::LaunchError;

/// How long each step may take.
const STEP_MAX: Duration = Duration::from_secs(2);

/// The most that is read of an answer.
const ANSWER_MAX: u64 = 64 * 1024;

/// A word that is sent to a port of this pod, and a text that the answer must hold.
///
/// ```
/// use endstate::launcher::Question;
/// let question: Question = "2181=srvr=Mode: ".parse().unwrap();
/// assert_eq!(question.to_string(), "2181=srvr=Mode: ");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Question {
    /// Where the application listens.
    pub port: u16,
    /// What it is asked.
    pub word: String,
    /// What is in the answer of an application that serves.
    pub expected: String,
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}={}", self.port, self.word, self.expected)
    }
}

impl std::str::FromStr for Question {
    type Err = LaunchError;

    fn from_str(text: &str) -> Result<Self, LaunchError> {
        let parse = || {
            let (port, rest) = text.split_once('=')?;
            let (word, expected) = rest.split_once('=')?;
            Some(Self { port: port.parse().ok()?, word: word.into(), expected: expected.into() })
        };
        parse().ok_or_else(|| LaunchError::Usage(format!("{text:?} is not PORT=WORD=TEXT")))
    }
}

impl Question {
    /// This word, to that port of this pod, and what the answer of an application that serves has in it.
    pub fn new(port: u16, word: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { port, word: word.into(), expected: expected.into() }
    }

    /// Asks, and fails unless the answer is as expected.
    pub(super) fn ask(&self) -> Result<(), LaunchError> {
        let answer = self.answer().map_err(|error| LaunchError::Answer(error.to_string()))?;
        match answer.contains(&self.expected) {
            true => Ok(()),
            false => Err(LaunchError::Answer(answer.trim().to_owned())),
        }
    }

    fn answer(&self) -> io::Result<String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let mut stream = TcpStream::connect_timeout(&address, STEP_MAX)?;
        stream.set_read_timeout(Some(STEP_MAX))?;
        stream.set_write_timeout(Some(STEP_MAX))?;
        stream.write_all(self.word.as_bytes())?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn only_the_expected_answer_is_good() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            for answer in ["Mode: leader\n", "not serving\n", ""] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut word = [0; 4];
                stream.read_exact(&mut word).unwrap();
                assert_eq!(&word, b"srvr");
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let question: Question = format!("{port}=srvr=Mode: ").parse().unwrap();
        assert!(question.ask().is_ok());
        assert_eq!(question.ask().unwrap_err().to_string(), "unexpected answer: not serving");
        assert!(question.ask().is_err());
        server.join().unwrap();
        assert!(question.ask().is_err(), "nobody listens");
        assert!("2181=srvr".parse::<Question>().is_err());
    }
}
