// Peer of the interop captures: grpc-java, over Netty.
//
// Usage: Peer server ADDRESS PLAN LOG | Peer client ADDRESS PLAN LOG

import com.google.common.io.ByteStreams;
import com.google.gson.Gson;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.HandlerRegistry;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerMethodDefinition;
import io.grpc.Status;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

public final class Peer {
  static final class Answer {
    String[][] headers;
    String[] response;
    String[][] trailers;
    int status;
    String message;
    String details;
  }

  static final class Call {
    String id;
    String method;
    String kind;
    String action;
    int phase;
    int connection;
    int deadline_ms;
    String[][] metadata;
    String[] request;
    Answer answer;
  }

  static final class Plan {
    Map<String, String> methods;
    int connections;
    int gzip_connection;
    int phases;
    int workers_per_connection;
    int max_age_ms;
    int pause_ms;
    List<Call> calls;
  }

  private static final Gson GSON = new Gson();
  private static Plan plan;
  private static Writer log;

  /** Messages that are plain bytes. */
  private static final MethodDescriptor.Marshaller<byte[]> BYTES =
      new MethodDescriptor.Marshaller<byte[]>() {
        @Override
        public InputStream stream(byte[] value) {
          return new ByteArrayInputStream(value);
        }

        @Override
        public byte[] parse(InputStream stream) {
          try {
            return ByteStreams.toByteArray(stream);
          } catch (IOException error) {
            throw new UncheckedIOException(error);
          }
        }
      };

  private static MethodDescriptor<byte[], byte[]> descriptor(String path, String kind) {
    MethodType type =
        Map.of(
                "unary", MethodType.UNARY,
                "client_stream", MethodType.CLIENT_STREAMING,
                "server_stream", MethodType.SERVER_STREAMING,
                "bidi", MethodType.BIDI_STREAMING)
            .get(kind);
    return MethodDescriptor.newBuilder(BYTES, BYTES)
        .setType(type)
        .setFullMethodName(path.substring(1))
        .build();
  }

  private static byte[] bytes(String text) {
    return Base64.getDecoder().decode(text);
  }

  private static Metadata metadata(String[][] pairs) {
    Metadata made = new Metadata();
    for (String[] pair : pairs) {
      if (pair[0].endsWith("-bin")) {
        made.put(Metadata.Key.of(pair[0], Metadata.BINARY_BYTE_MARSHALLER), bytes(pair[1]));
      } else {
        made.put(Metadata.Key.of(pair[0], Metadata.ASCII_STRING_MARSHALLER), pair[1]);
      }
    }
    return made;
  }

  private static List<String[]> pairs(Metadata metadata) {
    List<String[]> made = new ArrayList<>();
    for (String name : metadata.keys()) {
      if (name.endsWith("-bin")) {
        for (byte[] value : metadata.getAll(Metadata.Key.of(name, Metadata.BINARY_BYTE_MARSHALLER))) {
          made.add(new String[] {name, Base64.getEncoder().encodeToString(value)});
        }
      } else {
        for (String value : metadata.getAll(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER))) {
          made.add(new String[] {name, value});
        }
      }
    }
    return made;
  }

  private static List<Map<String, Object>> digests(List<byte[]> messages) {
    List<Map<String, Object>> made = new ArrayList<>();
    for (byte[] message : messages) {
      try {
        byte[] sha = MessageDigest.getInstance("SHA-256").digest(message);
        StringBuilder hex = new StringBuilder();
        for (int index = 0; index < 8; index++) {
          hex.append(String.format("%02x", sha[index]));
        }
        made.add(Map.of("len", message.length, "sha", hex.toString()));
      } catch (java.security.NoSuchAlgorithmException error) {
        throw new IllegalStateException(error);
      }
    }
    return made;
  }

  private static List<byte[]> decoded(String[] messages) {
    List<byte[]> made = new ArrayList<>();
    for (String message : messages) {
      made.add(bytes(message));
    }
    return made;
  }

  private static synchronized void write(Map<String, Object> line) {
    try {
      log.write(GSON.toJson(line) + "\n");
      log.flush();
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** Answers one call as the plan says. */
  private static final class Answering extends ServerCall.Listener<byte[]> {
    private final ServerCall<byte[], byte[]> rpc;
    private final Metadata headers;
    private final Call call;
    private final List<byte[]> read = new ArrayList<>();
    private final Queue<byte[]> left;
    private boolean isBegun;

    Answering(ServerCall<byte[], byte[]> rpc, Metadata headers, Call call) {
      this.rpc = rpc;
      this.headers = headers;
      this.call = call;
      this.left = new ArrayDeque<>(decoded(call.answer.response));
      if (call.connection == plan.gzip_connection) {
        rpc.setCompression("gzip");
        rpc.setMessageCompression(true);
      }
      rpc.request(Integer.MAX_VALUE);
    }

    private void send(int count) {
      for (; count > 0 && !left.isEmpty(); count--) {
        begin();
        rpc.sendMessage(left.remove());
      }
    }

    private void begin() {
      if (!isBegun) {
        isBegun = true;
        rpc.sendHeaders(metadata(call.answer.headers));
      }
    }

    @Override
    public void onMessage(byte[] message) {
      read.add(message);
      // Answers as it goes: the first request gets the first response, and so on. A client that
      // is to cancel gets all of them when it has sent all requests.
      if (call.kind.equals("bidi") && !call.action.equals("cancel")) {
        send(1);
      } else if (call.kind.equals("bidi") && read.size() == call.request.length) {
        finish();
      }
    }

    @Override
    public void onHalfClose() {
      if (!(call.kind.equals("bidi") && call.action.equals("cancel"))) {
        finish();
      }
    }

    private void finish() {
      write(Map.of("id", call.id, "req", digests(read), "metadata", pairs(headers)));
      send(left.size());
      if (!call.action.equals("normal")) {
        return;
      }
      Answer answer = call.answer;
      if (answer.status == 0 || answer.headers.length > 0) {
        begin();
      }
      Metadata trailers = metadata(answer.trailers);
      if (answer.details != null) {
        trailers.put(
            Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER),
            bytes(answer.details));
      }
      Status status = Status.fromCodeValue(answer.status);
      rpc.close(status.withDescription(answer.message.isEmpty() ? null : answer.message), trailers);
    }
  }

  private static void serve(InetSocketAddress address) throws Exception {
    Map<String, Call> calls = new HashMap<>();
    plan.calls.forEach(call -> calls.put(call.id, call));
    Metadata.Key<String> id = Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER);
    ServerCallHandler<byte[], byte[]> handler =
        (rpc, headers) -> new Answering(rpc, headers, calls.get(headers.get(id)));
    HandlerRegistry methods =
        new HandlerRegistry() {
          @Override
          public ServerMethodDefinition<?, ?> lookupMethod(String name, String authority) {
            String kind = plan.methods.get("/" + name);
            return kind == null
                ? null
                : ServerMethodDefinition.create(descriptor("/" + name, kind), handler);
          }
        };
    NettyServerBuilder.forAddress(address)
        .fallbackHandlerRegistry(methods)
        .maxConnectionAge(plan.max_age_ms, TimeUnit.MILLISECONDS)
        .maxConnectionAgeGrace(1, TimeUnit.SECONDS)
        .permitKeepAliveTime(10, TimeUnit.MILLISECONDS)
        .permitKeepAliveWithoutCalls(true)
        .build()
        .start();
    System.out.println("listening");
    new CountDownLatch(1).await();
  }

  private static void run(ManagedChannel channel, Call call, boolean isGzip) throws Exception {
    CallOptions options = CallOptions.DEFAULT;
    if (isGzip) {
      options = options.withCompression("gzip");
    }
    int deadline = call.deadline_ms == 0 ? 60_000 : call.deadline_ms;
    options = options.withDeadlineAfter(deadline, TimeUnit.MILLISECONDS);
    ClientCall<byte[], byte[]> rpc = channel.newCall(descriptor(call.method, call.kind), options);
    CountDownLatch over = new CountDownLatch(1);
    List<byte[]> received = new ArrayList<>();
    Map<String, Object> line = new HashMap<>();
    line.put("headers", List.of());
    rpc.start(
        new ClientCall.Listener<byte[]>() {
          @Override
          public void onHeaders(Metadata headers) {
            line.put("headers", pairs(headers));
          }

          @Override
          public void onMessage(byte[] message) {
            received.add(message);
            if (call.action.equals("cancel") && received.size() == call.answer.response.length) {
              rpc.cancel("as planned", null);
            }
          }

          @Override
          public void onClose(Status status, Metadata trailers) {
            String message = status.getDescription();
            line.put("status", status.getCode().value());
            line.put("message", message == null ? "" : message);
            line.put("trailers", pairs(trailers));
            over.countDown();
          }
        },
        metadata(call.metadata));
    rpc.request(Integer.MAX_VALUE);
    rpc.setMessageCompression(isGzip);
    List<byte[]> requests = decoded(call.request);
    requests.forEach(rpc::sendMessage);
    if (!(call.action.equals("cancel") && call.kind.equals("bidi"))) {
      rpc.halfClose();
    }
    over.await();
    line.put("id", call.id);
    line.put("method", call.method);
    line.put("req", digests(requests));
    line.put("resp", digests(received));
    write(line);
  }

  private static void runAll(InetSocketAddress address) throws Exception {
    List<ManagedChannel> channels = new ArrayList<>();
    for (int connection = 0; connection < plan.connections; connection++) {
      channels.add(NettyChannelBuilder.forAddress(address).usePlaintext().disableRetry().build());
    }
    for (int phase = 0; phase < plan.phases; phase++) {
      if (phase > 0) {
        Thread.sleep(plan.pause_ms);
      }
      List<Thread> workers = new ArrayList<>();
      for (int connection = 0; connection < plan.connections; connection++) {
        Queue<Call> calls = new ConcurrentLinkedQueue<>();
        for (Call call : plan.calls) {
          if (call.phase == phase && call.connection == connection) {
            calls.add(call);
          }
        }
        ManagedChannel channel = channels.get(connection);
        boolean isGzip = connection == plan.gzip_connection;
        for (int worker = 0; worker < plan.workers_per_connection; worker++) {
          Thread thread =
              new Thread(
                  () -> {
                    try {
                      for (Call call = calls.poll(); call != null; call = calls.poll()) {
                        run(channel, call, isGzip);
                      }
                    } catch (Exception error) {
                      error.printStackTrace();
                      System.exit(1);
                    }
                  });
          workers.add(thread);
          thread.start();
        }
      }
      for (Thread worker : workers) {
        worker.join();
      }
    }
    for (ManagedChannel channel : channels) {
      channel.shutdown().awaitTermination(5, TimeUnit.SECONDS);
    }
  }

  public static void main(String[] arguments) throws Exception {
    String[] address = arguments[1].split(":");
    InetSocketAddress socket = new InetSocketAddress(address[0], Integer.parseInt(address[1]));
    plan = GSON.fromJson(Files.readString(Path.of(arguments[2])), Plan.class);
    log = Files.newBufferedWriter(Path.of(arguments[3]));
    if (arguments[0].equals("server")) {
      serve(socket);
    } else {
      runAll(socket);
    }
  }
}
