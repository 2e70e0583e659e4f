//! What runs in the pods.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

pub(crate) fn main(args: &[String]) -> ExitCode {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["exit", code, message @ ..] => {
            if let Some(message) = message.first() {
                println!("{message}");
                std::fs::write("/dev/termination-log", message).unwrap();
            }
            ExitCode::from(code.parse::<u8>().unwrap())
        }
        ["print", rest @ ..] => {
            println!("{}", rest.join(" "));
            eprintln!("to stderr");
            ExitCode::SUCCESS
        }
        ["env"] => {
            for (name, value) in std::env::vars() {
                println!("{name}={value}");
            }
            ExitCode::SUCCESS
        }
        ["read", files @ ..] => {
            for file in files {
                let text = std::fs::read_to_string(file).unwrap_or_else(|error| error.to_string());
                println!("{}", text.trim_end());
            }
            ExitCode::SUCCESS
        }
        ["write", file, text] => {
            std::fs::write(file, text).unwrap();
            ExitCode::SUCCESS
        }
        ["attack", state] => crate::attacks::main(state),
        ["ids"] => {
            println!("{} {}", nix::unistd::getuid(), nix::unistd::getgid());
            ExitCode::SUCCESS
        }
        ["mount"] => {
            println!("{}", crate::attacks::mount().is_ok());
            ExitCode::SUCCESS
        }
        ["exists", file] => ExitCode::from(u8::from(!std::path::Path::new(file).exists())),
        ["resolve", name] => match (*name, 1).to_socket_addrs() {
            Ok(found) => {
                for address in found {
                    println!("{}", address.ip());
                }
                ExitCode::SUCCESS
            }
            Err(error) => {
                println!("{error}");
                ExitCode::FAILURE
            }
        },
        ["connect", target] => connect(target),
        ["occupy", device] => occupy(device),
        ["cat"] => {
            std::io::copy(&mut std::io::stdin(), &mut std::io::stdout()).unwrap();
            ExitCode::SUCCESS
        }
        // As process 1 of its namespace it ignores every signal but SIGKILL.
        ["sleep"] => loop {
            std::thread::sleep(Duration::from_secs(1000));
        },
        ["count", file] => {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            std::fs::write(file, format!("{text}x")).unwrap();
            println!("{text}x");
            wait()
        }
        ["wait"] => wait(),
        ["eat", mebibytes] => eat(mebibytes.parse().unwrap()),
        ["crowd"] => crowd(),
        ["fork", most] => fork(most.parse().unwrap()),
        ["serve", port] => serve(port.parse().unwrap()),
        other => {
            eprintln!("unknown program {other:?}");
            ExitCode::from(99)
        }
    }
}

/// Makes a network device of this name.
fn occupy(device: &str) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection().unwrap();
        tokio::spawn(connection);
        let device = rtnetlink::LinkBridge::new(device).build();
        handle.link().add(device).execute().await.unwrap();
    });
    ExitCode::SUCCESS
}

fn connect(target: &str) -> ExitCode {
    let result = TcpStream::connect(target).and_then(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /hostname HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text).map(|_| text)
    });
    match result {
        Ok(text) => {
            println!("{}", text.lines().last().unwrap_or_default());
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Takes memory and uses it.
fn eat(mebibytes: usize) -> ExitCode {
    let mut all = Vec::new();
    for _ in 0..mebibytes {
        all.push(vec![1_u8; 1 << 20]);
    }
    println!("ate {} MiB", std::hint::black_box(&all).len());
    ExitCode::SUCCESS
}

/// Starts processes of [`CROWD`] threads until it may not, says how many tasks there are, and sleeps.
fn fork(most: usize) -> ExitCode {
    let mut count = 0;
    let mut children = Vec::new();
    while count < most {
        let mut command = std::process::Command::new("/proc/self/exe");
        let spawned = command.args(["program", "crowd"]).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = spawned else { break };
        count += 1;
        let mut line = String::new();
        let read = BufReader::new(child.stdout.take().unwrap()).read_line(&mut line);
        children.push(child);
        let threads = read.ok().and_then(|_| line.trim().parse::<usize>().ok()).unwrap_or(0);
        count += threads;
        if threads < CROWD {
            break;
        }
    }
    println!("forked {count}");
    wait()
}

const CROWD: usize = 50;

fn crowd() -> ExitCode {
    let sleep = || std::thread::Builder::new().stack_size(64 * 1024).spawn(std::thread::park);
    let threads: Vec<_> = (0..CROWD).map_while(|_| sleep().ok()).collect();
    println!("{}", threads.len());
    for thread in threads {
        let _ = thread.join();
    }
    ExitCode::SUCCESS
}

/// Until SIGTERM.
fn wait() -> ExitCode {
    wait_after(|| {})
}

/// Runs something once SIGTERM would be heard, then waits for that.
fn wait_after(ready: impl FnOnce()) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let kind = tokio::signal::unix::SignalKind::terminate();
        let mut signal = tokio::signal::unix::signal(kind).unwrap();
        ready();
        signal.recv().await;
    });
    println!("terminated");
    ExitCode::SUCCESS
}

/// A tiny HTTP server: `/hostname`; `/health` is as good as the file `/tmp/sick` is absent.
fn serve(port: u16) -> ExitCode {
    wait_after(move || {
        let listener = TcpListener::bind(("0.0.0.0", port)).unwrap();
        std::thread::spawn(move || accept(&listener));
    })
}

fn accept(listener: &TcpListener) {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut buffer = [0; 1024];
        let count = stream.read(&mut buffer).unwrap_or(0);
        let request = String::from_utf8_lossy(&buffer[..count]).into_owned();
        let sick = request.starts_with("GET /health") && std::path::Path::new("/tmp/sick").exists();
        let status = if sick { "500 Sick" } else { "200 OK" };
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let _ = write!(stream, "HTTP/1.0 {status}\r\nconnection: close\r\n\r\n{}", name.trim());
    }
}
