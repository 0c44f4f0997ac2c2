package main

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"guide/webhook"
)

func text(name string) string {
	bytes, err := os.ReadFile(os.Args[1] + "/" + name)
	if err != nil {
		panic(err)
	}
	return strings.TrimSpace(string(bytes))
}

func main() {
	headers := http.Header{}
	for _, line := range strings.Split(text("headers"), "\n") {
		name, value, _ := strings.Cut(line, ": ")
		headers.Set(name, value)
	}
	body, _ := os.ReadFile(os.Args[1] + "/body")
	now, _ := strconv.ParseInt(text("now"), 10, 64)
	fmt.Printf("standard=%t klen=%t\n", webhook.VerifyStandard(body, headers, text("secret"), time.Unix(now, 0), 5*time.Minute),
		webhook.VerifyKlen(body, headers, text("secret")))
}
