//! A question to the application in the same pod, for probes: many applications answer a word in plain text, and their
//! images hold no program that could ask.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use endstate_core::Question;

use super::error::LaunchError;

/// How long each step may take.
const STEP_MAX: Duration = Duration::from_secs(2);

/// The most that is read of an answer.
const ANSWER_MAX: u64 = 64 * 1024;

/// Asks, and fails unless the answer is as expected.
pub(super) fn ask(question: &Question) -> Result<(), LaunchError> {
    let answer = answer(question).map_err(|error| LaunchError::Answer(error.to_string()))?;
    match answer.contains(&question.expected) {
        true => Ok(()),
        false => Err(LaunchError::Answer(answer.trim().to_owned())),
    }
}

fn answer(question: &Question) -> io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, question.port));
    let mut stream = TcpStream::connect_timeout(&address, STEP_MAX)?;
    stream.set_read_timeout(Some(STEP_MAX))?;
    stream.set_write_timeout(Some(STEP_MAX))?;
    stream.write_all(question.word.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
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
        assert!(ask(&question).is_ok());
        assert_eq!(ask(&question).unwrap_err().to_string(), "unexpected answer: not serving");
        assert!(ask(&question).is_err());
        server.join().unwrap();
        assert!(ask(&question).is_err(), "nobody listens");
        assert!("2181=srvr".parse::<Question>().is_err());
    }
}
