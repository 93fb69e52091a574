// SPDX-License-Identifier: GPL-2.0-or-later

// A client in Go, with the libraries that Go's programs use. ADDRESS is where it connects,
// whatever name it asks for.
//
//	client pg ADDRESS DSN             prints the answer to a query
//	client http ADDRESS NAME PATH CA  prints what a GET gives; over TLS, if there is a CA
package main

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/lib/pq"
)

const patience = time.Minute

type dialer struct{ address string }

func (d dialer) Dial(network, _ string) (net.Conn, error) {
	return net.DialTimeout(network, d.address, patience)
}

func (d dialer) DialTimeout(network, _ string, _ time.Duration) (net.Conn, error) {
	return d.Dial(network, "")
}

func query(address, dsn string) (answer string, err error) {
	connector, err := pq.NewConnector(dsn)
	if err != nil {
		return "", err
	}
	connector.Dialer(dialer{address})
	db := sql.OpenDB(connector)
	defer db.Close()
	return answer, db.QueryRow("select 7").Scan(&answer)
}

func get(address, name, path, ca string) (string, error) {
	transport := &http.Transport{Dial: dialer{address}.Dial, DisableKeepAlives: true}
	scheme := "http"
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return "", err
		}
		trusted := x509.NewCertPool()
		trusted.AppendCertsFromPEM(pem)
		transport.TLSClientConfig = &tls.Config{RootCAs: trusted}
		scheme = "https"
	}
	client := &http.Client{Transport: transport, Timeout: patience}
	answer, err := client.Get(scheme + "://" + name + path)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

func main() {
	var said string
	var err error
	if os.Args[1] == "pg" {
		said, err = query(os.Args[2], os.Args[3])
	} else {
		said, err = get(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Print(said)
}
