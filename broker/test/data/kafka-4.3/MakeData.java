// Fills an Apache Kafka broker with the topics that README.md describes: `java -cp KAFKA_JARS MakeData.java HOST:PORT PHASE`.
// Phase 1 creates and fills them; phase 2, after a restart of the broker, adds to them under the next leader epoch.
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringSerializer;

public class MakeData {
  static final long START = 1_750_000_000_000L;
  static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");
  static String bootstrap;

  public static void main(String[] args) throws Exception {
    bootstrap = args[0];
    if (args[1].equals("1")) {
      createTopics();
      codecs();
      transactions();
      compacted();
      trimmed();
    } else {
      later();
    }
  }

  static void createTopics() throws Exception {
    // A record whose timestamp is more than a minute after its segment's first begins a new segment.
    Map<String, String> small = Map.of("segment.ms", "60000", "index.interval.bytes", "0", "retention.ms", "-1");
    Map<String, String> compact = new HashMap<>(small);
    compact.put("cleanup.policy", "compact");
    compact.put("min.cleanable.dirty.ratio", "0.01");
    try (Admin admin = admin()) {
      admin.createTopics(List.of(
          new NewTopic("codecs", 1, (short) 1).configs(small),
          new NewTopic("transactions", 1, (short) 1).configs(small),
          new NewTopic("compacted", 1, (short) 1).configs(compact),
          new NewTopic("trimmed", 1, (short) 1).configs(small),
          new NewTopic("empty", 1, (short) 1).configs(small))).all().get();
    }
  }

  /** 40 records in four batches with each codec, a segment for each, from an idempotent producer each. */
  static void codecs() {
    for (int slot = 0; slot < CODECS.size(); slot++) {
      String codec = CODECS.get(slot);
      try (KafkaProducer<String, String> producer = producer(Map.of("compression.type", codec))) {
        for (int i = 0; i < 40; i++) {
          String key = i % 10 == 9 ? null : "key-" + i % 7;
          String value = i % 10 == 8 ? null : codec + " " + i + " the tide comes in and the tide goes out";
          var record = new ProducerRecord<>("codecs", 0, START + slot * 120_000L + i, key, value);
          record.headers().add("codec", codec.getBytes(StandardCharsets.UTF_8)).add("none", null);
          producer.send(record);
          if (i % 10 == 9) producer.flush();
        }
      }
    }
  }

  /** Committed, aborted, committed; each in a segment of its own but for the last two. */
  static void transactions() {
    try (KafkaProducer<String, String> producer = producer(Map.of("transactional.id", "tx-a"))) {
      producer.initTransactions();
      transaction(producer, "first", 5, 0, true);
      transaction(producer, "second", 4, 0, false);
      transaction(producer, "third", 3, 120_000, true);
    }
  }

  static void transaction(KafkaProducer<String, String> producer, String word, int count, long at, boolean commits) {
    producer.beginTransaction();
    for (int i = 0; i < count; i++)
      producer.send(new ProducerRecord<>("transactions", 0, START + at + i, word, word + " " + i));
    producer.flush();
    if (commits) producer.commitTransaction();
    else producer.abortTransaction();
  }

  /** Three rounds over ten keys, and a tombstone, in a segment each; all but the last are compacted. */
  static void compacted() {
    try (KafkaProducer<String, String> producer = producer(Map.of("compression.type", "lz4"))) {
      for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 10; i++) {
          String value = round == 2 && i == 3 ? null : "round " + round + " of key " + i;
          producer.send(new ProducerRecord<>("compacted", 0, START + round * 120_000L + i, "key-" + i, value));
          if (i % 5 == 4) producer.flush();
        }
      }
    }
  }

  /** Twenty records in two batches; the first seven are deleted, so that the log starts inside a batch. */
  static void trimmed() throws Exception {
    try (KafkaProducer<String, String> producer = producer(Map.of())) {
      for (int i = 0; i < 20; i++) {
        producer.send(new ProducerRecord<>("trimmed", 0, START + i, null, "value " + i));
        if (i == 9) producer.flush();
      }
    }
    try (Admin admin = admin()) {
      admin.deleteRecords(Map.of(new TopicPartition("trimmed", 0), RecordsToDelete.beforeOffset(7))).all().get();
    }
  }

  /** After the restart: one more batch, one more aborted transaction, both under the next leader epoch. */
  static void later() {
    try (KafkaProducer<String, String> producer = producer(Map.of())) {
      for (int i = 0; i < 5; i++)
        producer.send(new ProducerRecord<>("codecs", 0, START + 600_000 + i, "later", "later " + i));
    }
    try (KafkaProducer<String, String> producer = producer(Map.of("transactional.id", "tx-b"))) {
      producer.initTransactions();
      transaction(producer, "fourth", 2, 120_500, false);
      transaction(producer, "fifth", 2, 120_600, true);
    }
  }

  static Admin admin() {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", bootstrap);
    return Admin.create(properties);
  }

  static KafkaProducer<String, String> producer(Map<String, String> extra) {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", bootstrap);
    properties.put("linger.ms", "5000");
    properties.put("acks", "all");
    properties.put("enable.idempotence", "true");
    properties.putAll(extra);
    return new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer());
  }
}
