//! Logs, exec, attach and port-forward.

use machinery::stream::{
    Attach, CLOSE, ERROR, Exec, Forward, Logs, RESIZE, STDERR, STDIN, STDOUT, StreamRequest,
};
use serde_json::{Value, json};

use super::World;
use crate::world::target;

fn exec(command: &[&str]) -> Exec {
    let command =
        ["/endstate", "program"].iter().chain(command).map(|it| (*it).to_owned()).collect();
    Exec { target: target("p"), command, stdout: true, stderr: true, ..Exec::default() }
}

pub(crate) async fn commands_logs_and_ports() {
    let world = World::new().await;
    let container = json!({"name": "c", "args": ["program", "serve", "8080"],
        "env": [{"name": "MINE", "value": "yes"}]});
    world.create_pod("p", json!({"containers": [container]})).await;
    world.running("p").await;

    let output = world.stream(StreamRequest::Exec(exec(&["print", "a", "b"]))).await.rest().await;
    assert_eq!((output[&STDOUT].as_str(), output[&STDERR].as_str()), ("a b\n", "to stderr\n"));
    let status: Value = serde_json::from_str(&output[&ERROR]).unwrap();
    assert_eq!(status["status"], "Success");

    let output = world.stream(StreamRequest::Exec(exec(&["env"]))).await.rest().await;
    assert!(output[&STDOUT].contains("MINE=yes\n"), "a command has the container's environment");

    let output = world.stream(StreamRequest::Exec(exec(&["exit", "7"]))).await.rest().await;
    let status: Value = serde_json::from_str(&output[&ERROR]).unwrap();
    assert_eq!(status["reason"], "NonZeroExitCode");
    assert_eq!(status["details"]["causes"][0]["message"], "7");

    let missing = Exec { command: vec!["/nothing".into()], ..exec(&[]) };
    let output = world.stream(StreamRequest::Exec(missing)).await.rest().await;
    let status: Value = serde_json::from_str(&output[&ERROR]).unwrap();
    assert!(status["message"].as_str().unwrap().contains("no such file"), "{status}");

    let mut cat = world.stream(StreamRequest::Exec(Exec { stdin: true, ..exec(&["cat"]) })).await;
    cat.send(STDIN, b"through\n").await;
    assert_eq!(cat.next().await.unwrap().payload, b"through\n");
    cat.send(CLOSE, &[STDIN]).await;
    assert!(cat.rest().await[&ERROR].contains("Success"));

    let terminal = Exec { stdin: true, tty: true, ..exec(&["cat"]) };
    let mut cat = world.stream(StreamRequest::Exec(terminal)).await;
    cat.send(RESIZE, br#"{"Width":100,"Height":40}"#).await;
    cat.send(STDIN, b"typed\r").await;
    let mut seen = String::new();
    while seen.matches("typed").count() < 2 {
        seen.push_str(&String::from_utf8_lossy(&cat.next().await.unwrap().payload));
    }
    cat.send(STDIN, &[4]).await;
    assert!(cat.rest().await[&ERROR].contains("Success"), "the terminal's end of file ends it");

    let ports = Forward { target: target("p"), ports: vec![8080, 1] };
    let mut forward = world.stream(StreamRequest::Forward(ports)).await;
    forward.send(0, b"GET /hostname HTTP/1.0\r\n\r\n").await;
    let output = forward.rest().await;
    assert!(output[&0].ends_with("p"), "{output:?}");
    assert!(output[&3].contains("refused"), "{output:?}");

    let follow = Logs { target: target("p"), follow: true, ..Logs::default() };
    let mut logs = world.stream(StreamRequest::Logs(follow)).await;
    world.delete("p", 30).await;
    assert_eq!(logs.rest().await[&STDOUT], "terminated\n", "following ends with the container");
    world.gone("p").await;
    world.end().await;
}

pub(crate) async fn attached_clients_see_and_feed() {
    let world = World::new().await;
    let plain = json!({"name": "c", "args": ["program", "cat"], "stdin": true});
    let terminal = json!({"name": "c", "args": ["program", "cat"], "stdin": true, "tty": true});
    for (name, container) in [("plain", plain), ("terminal", terminal)] {
        world.create_pod(name, json!({"restartPolicy": "Never", "containers": [container]})).await;
        world.running(name).await;
        let attach =
            Attach { target: target(name), stdin: true, stdout: true, ..Attach::default() };
        let mut stream = world.stream(StreamRequest::Attach(attach)).await;
        stream.send(STDIN, b"fed\n").await;
        let mut seen = String::new();
        // A terminal echoes what is typed before the program repeats it.
        while !seen.trim().ends_with("fed") {
            seen.push_str(&String::from_utf8_lossy(&stream.next().await.unwrap().payload));
        }
        if name == "plain" {
            stream.send(CLOSE, &[STDIN]).await;
        } else {
            stream.send(STDIN, &[4]).await;
        }
        assert!(stream.rest().await[&ERROR].contains("Success"));
        assert!(world.logs(name).await.contains("fed"));
    }
    world.end().await;
}
