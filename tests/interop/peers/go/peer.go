// Peer of the interop captures: grpc-go, whose HPACK is golang.org/x/net's.
//
// Usage: peer server ADDRESS PLAN LOG | peer client ADDRESS PLAN LOG
package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	"github.com/golang/protobuf/proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

type pair [2]string

type answer struct {
	Headers  []pair   `json:"headers"`
	Response [][]byte `json:"response"`
	Trailers []pair   `json:"trailers"`
	Status   uint32   `json:"status"`
	Message  string   `json:"message"`
	Details  []byte   `json:"details"`
}

type call struct {
	ID         string   `json:"id"`
	Method     string   `json:"method"`
	Kind       string   `json:"kind"`
	Action     string   `json:"action"`
	Phase      int      `json:"phase"`
	Connection int      `json:"connection"`
	DeadlineMs int      `json:"deadline_ms"`
	Metadata   []pair   `json:"metadata"`
	Request    [][]byte `json:"request"`
	Answer     answer   `json:"answer"`
}

type plan struct {
	Methods        map[string]string `json:"methods"`
	Connections    int               `json:"connections"`
	GzipConnection int               `json:"gzip_connection"`
	Phases         int               `json:"phases"`
	Workers        int               `json:"workers_per_connection"`
	MaxAgeMs       int               `json:"max_age_ms"`
	PauseMs        int               `json:"pause_ms"`
	HeaderTable    uint32            `json:"header_table_bytes"`
	Calls          []*call           `json:"calls"`
}

// bytesCodec has messages that are plain bytes.
type bytesCodec struct{}

func (bytesCodec) Marshal(v interface{}) ([]byte, error) { return *v.(*[]byte), nil }

func (bytesCodec) Unmarshal(data []byte, v interface{}) error {
	*v.(*[]byte) = append([]byte{}, data...)
	return nil
}

func (bytesCodec) Name() string   { return "proto" }
func (bytesCodec) String() string { return "proto" }

func toMetadata(pairs []pair) metadata.MD {
	md := metadata.MD{}
	for _, pair := range pairs {
		value := pair[1]
		if strings.HasSuffix(pair[0], "-bin") {
			decoded, err := base64.StdEncoding.DecodeString(value)
			check(err)
			value = string(decoded)
		}
		md.Append(pair[0], value)
	}
	return md
}

func fromMetadata(md metadata.MD) [][2]string {
	pairs := [][2]string{}
	for name, values := range md {
		for _, value := range values {
			if strings.HasSuffix(name, "-bin") {
				value = base64.StdEncoding.EncodeToString([]byte(value))
			}
			pairs = append(pairs, [2]string{name, value})
		}
	}
	return pairs
}

func digests(messages [][]byte) []map[string]interface{} {
	list := []map[string]interface{}{}
	for _, message := range messages {
		sha := sha256.Sum256(message)
		list = append(list, map[string]interface{}{
			"len": len(message), "sha": hex.EncodeToString(sha[:8]),
		})
	}
	return list
}

// logger writes JSON lines.
type logger struct {
	mutex sync.Mutex
	file  *os.File
}

func (l *logger) write(line map[string]interface{}) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	check(json.NewEncoder(l.file).Encode(line))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

type service struct {
	plan  *plan
	calls map[string]*call
	log   *logger
}

func (s *service) handle(_ interface{}, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	if _, known := s.plan.Methods[method]; !known {
		return status.Error(codes.Unimplemented, "no such method")
	}
	md, _ := metadata.FromIncomingContext(stream.Context())
	call := s.calls[md.Get("x-request-id")[0]]
	if len(call.Answer.Headers) > 0 {
		check(stream.SetHeader(toMetadata(call.Answer.Headers)))
	}
	left := call.Answer.Response
	send := func(count int) {
		for ; count > 0 && len(left) > 0; count-- {
			_ = stream.SendMsg(&left[0])
			left = left[1:]
		}
	}
	isCancelled := call.Action == "cancel"
	read := [][]byte{}
	// Answers as it goes: the first request gets the first response, and so on. A client that is
	// to cancel gets all of them when it has sent all requests.
	for !isCancelled || len(read) < len(call.Request) {
		var message []byte
		if err := stream.RecvMsg(&message); err != nil {
			break
		}
		read = append(read, message)
		if !isCancelled {
			send(1)
		}
	}
	s.log.write(map[string]interface{}{
		"id": call.ID, "req": digests(read), "metadata": fromMetadata(md),
	})
	send(len(left))
	if call.Action != "normal" {
		<-stream.Context().Done()
		return status.FromContextError(stream.Context().Err()).Err()
	}
	stream.SetTrailer(toMetadata(call.Answer.Trailers))
	if len(call.Answer.Details) > 0 {
		details := &spb.Status{}
		check(proto.Unmarshal(call.Answer.Details, details))
		return status.ErrorProto(details)
	}
	return status.Error(codes.Code(call.Answer.Status), call.Answer.Message)
}

func serve(address string, plan *plan, log *logger) {
	service := &service{plan: plan, calls: map[string]*call{}, log: log}
	for _, call := range plan.Calls {
		service.calls[call.ID] = call
	}
	listener, err := net.Listen("tcp", address)
	check(err)
	server := grpc.NewServer(
		grpc.CustomCodec(bytesCodec{}),
		grpc.UnknownServiceHandler(service.handle),
		grpc.HeaderTableSize(plan.HeaderTable),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge:      time.Duration(plan.MaxAgeMs) * time.Millisecond,
			MaxConnectionAgeGrace: time.Second,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime: 10 * time.Millisecond, PermitWithoutStream: true,
		}),
	)
	fmt.Println("listening")
	check(server.Serve(listener))
}

func run(conn *grpc.ClientConn, call *call, isGzip bool, log *logger) {
	ctx := metadata.NewOutgoingContext(context.Background(), toMetadata(call.Metadata))
	timeout := time.Minute
	if call.DeadlineMs > 0 {
		timeout = time.Duration(call.DeadlineMs) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	options := []grpc.CallOption{}
	if isGzip {
		options = append(options, grpc.UseCompressor(gzip.Name))
	}
	var header, trailer metadata.MD
	received := [][]byte{}
	var err error
	if call.Kind == "unary" {
		var response []byte
		options = append(options, grpc.Header(&header), grpc.Trailer(&trailer))
		err = conn.Invoke(ctx, call.Method, &call.Request[0], &response, options...)
		if err == nil {
			received = append(received, response)
		}
	} else {
		received, header, trailer, err = stream(ctx, cancel, conn, call, options)
	}
	got := status.Convert(err)
	log.write(map[string]interface{}{
		"id": call.ID, "method": call.Method, "status": got.Code(), "message": got.Message(),
		"req": digests(call.Request), "resp": digests(received),
		"headers": fromMetadata(header), "trailers": fromMetadata(trailer),
	})
}

func stream(
	ctx context.Context, cancel func(), conn *grpc.ClientConn, call *call, options []grpc.CallOption,
) (received [][]byte, header, trailer metadata.MD, err error) {
	shape := &grpc.StreamDesc{
		ClientStreams: call.Kind != "server_stream", ServerStreams: call.Kind != "client_stream",
	}
	stream, err := conn.NewStream(ctx, shape, call.Method, options...)
	if err != nil {
		return
	}
	for index := range call.Request {
		if err = stream.SendMsg(&call.Request[index]); err != nil {
			break
		}
	}
	if call.Action != "cancel" || call.Kind == "server_stream" {
		_ = stream.CloseSend()
	}
	for {
		var message []byte
		if err = stream.RecvMsg(&message); err != nil {
			break
		}
		received = append(received, message)
		if call.Action == "cancel" && len(received) == len(call.Answer.Response) {
			cancel()
		}
	}
	if err == io.EOF {
		err = nil
	}
	header, _ = stream.Header()
	trailer = stream.Trailer()
	return
}

func runAll(address string, plan *plan, log *logger) {
	conns := []*grpc.ClientConn{}
	for range make([]int, plan.Connections) {
		conn, err := grpc.Dial(
			address, grpc.WithInsecure(),
			grpc.WithDefaultCallOptions(grpc.ForceCodec(bytesCodec{})),
		)
		check(err)
		conns = append(conns, conn)
	}
	for phase := 0; phase < plan.Phases; phase++ {
		if phase > 0 {
			time.Sleep(time.Duration(plan.PauseMs) * time.Millisecond)
		}
		var workers sync.WaitGroup
		for connection, conn := range conns {
			calls := make(chan *call, len(plan.Calls))
			for _, call := range plan.Calls {
				if call.Phase == phase && call.Connection == connection {
					calls <- call
				}
			}
			close(calls)
			isGzip := connection == plan.GzipConnection
			for worker := 0; worker < plan.Workers; worker++ {
				workers.Add(1)
				go func(conn *grpc.ClientConn) {
					defer workers.Done()
					for call := range calls {
						run(conn, call, isGzip, log)
					}
				}(conn)
			}
		}
		workers.Wait()
	}
	for _, conn := range conns {
		check(conn.Close())
	}
}

func main() {
	role, address, planPath, logPath := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	text, err := os.ReadFile(planPath)
	check(err)
	plan := &plan{}
	check(json.Unmarshal(text, plan))
	file, err := os.Create(logPath)
	check(err)
	log := &logger{file: file}
	if role == "server" {
		serve(address, plan, log)
	} else {
		runAll(address, plan, log)
	}
}
