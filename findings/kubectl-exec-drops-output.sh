#!/usr/bin/env bash
# client-go 0.32.3 (that of kubectl 1.32.3): `exec` over a websocket now and then drops what a quick command printed,
# and ends well.
#
# What one would guess: when the upgrade to `v5.channel.k8s.io` is answered the client is ready for every channel, since
# the server may send at once; so no output is lost, and if something cannot be delivered the call fails.
# Where it matters: `x=$(kubectl exec ... -- cat file)` is empty with exit code 0, a few times in a thousand on a busy
# machine: nothing tells it from an empty file. A script that must know asks again, or takes a newer client.
#
# A server in the same process sends a line, the status "Success" and the closing handshake as soon as it has upgraded.
# Reading begins before the channel of the standard output is known to the client: a message that comes between is
# dropped (its log has "Unknown stream id 1, discarding message"). With client-go 0.34.1 and 0.36.3 none was lost.
# Seen, of 5,000 calls on two cores and GOMAXPROCS=4: 0.32.3: 4,987 whole, 5 lost without an error, 8 failed with
# "closed all streams"; 0.36.3: 5,000 whole. Since it is a race the script asks up to 40,000 times for the first loss.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/src/main.go" <<'GO'
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"

	"github.com/gorilla/websocket"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/klog/v2"
)

const (
	atLeast = 5000
	atMost  = 40000
)

// serve answers as a command does that prints a line at once and ends well.
func serve(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{Subprotocols: []string{"v5.channel.k8s.io"}}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	conn.WriteMessage(websocket.BinaryMessage, []byte("\x01hello\n"))
	conn.WriteMessage(websocket.BinaryMessage, []byte("\x03{\"metadata\":{},\"status\":\"Success\"}"))
	conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
	conn.ReadMessage()
}

func main() {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	server := httptest.NewServer(http.HandlerFunc(serve))
	defer server.Close()
	address, _ := url.Parse(server.URL)
	address.Path = "/api/v1/namespaces/default/pods/p/exec"
	lost := 0
	for calls := 0; calls < atLeast || len(os.Args) > 1 && lost == 0 && calls < atMost; calls++ {
		exec, err := remotecommand.NewWebSocketExecutor(&rest.Config{Host: server.URL}, "GET", address.String())
		if err != nil {
			panic(err)
		}
		var out bytes.Buffer
		err = exec.StreamWithContext(context.Background(), remotecommand.StreamOptions{Stdout: &out})
		if err == nil && out.String() != "hello\n" {
			lost++
		}
	}
	fmt.Println("output lost without an error:", lost > 0)
}
GO
build() {
    mkdir "$folder/$1"
    cp "$folder/src/main.go" "$folder/$1/"
    (cd "$folder/$1" && go mod init seen && go get "k8s.io/client-go@v$1" && go mod tidy && go build -o seen .) 2>"$folder/log" ||
        { cat "$folder/log"; exit 1; }
}
build 0.32.3
build 0.36.3
export GOMAXPROCS=4
seen="client-go 0.32.3: $("$folder/0.32.3/seen" until-lost 2>/dev/null)
client-go 0.36.3: $("$folder/0.36.3/seen")"
echo "$seen"
expected='client-go 0.32.3: output lost without an error: true
client-go 0.36.3: output lost without an error: false'
[ "$seen" = "$expected" ] || { echo "this has changed; expected:"; echo "$expected"; exit 1; }
