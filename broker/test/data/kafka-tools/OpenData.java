// Lets Apache Kafka's own code read a data directory: `java -cp KAFKA_JARS OpenData.java DIRECTORY`. Every small file with the
// class that Kafka reads it with, then every log with Kafka's log loader, which writes to it: give it a copy. One line for each
// thing that was read, for the test that started it.
import java.io.File;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.metadata.properties.MetaProperties;
import org.apache.kafka.metadata.properties.PropertiesUtils;
import org.apache.kafka.server.util.KafkaScheduler;
import org.apache.kafka.storage.internals.checkpoint.CleanShutdownFileHandler;
import org.apache.kafka.storage.internals.checkpoint.LeaderEpochCheckpointFile;
import org.apache.kafka.storage.internals.checkpoint.OffsetCheckpointFile;
import org.apache.kafka.storage.internals.checkpoint.PartitionMetadataFile;
import org.apache.kafka.storage.internals.log.LogConfig;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.ProducerStateManagerConfig;
import org.apache.kafka.storage.internals.log.UnifiedLog;
import org.apache.kafka.storage.log.metrics.BrokerTopicStats;

public class OpenData {
  static final LogDirFailureChannel FAILURES = new LogDirFailureChannel(1);

  public static void main(String[] args) throws Exception {
    File root = new File(args[0]);
    MetaProperties meta = new MetaProperties.Builder(
        PropertiesUtils.readPropertiesFile(new File(root, "meta.properties").getPath())).build();
    System.out.println("meta " + meta.clusterId().orElse("") + " " + meta.nodeId().orElse(-1) + " " + meta.directoryId().get());
    System.out.println("clean " + new CleanShutdownFileHandler(root.getPath()).read().orElse(-1));
    Map<TopicPartition, Long> recoveryPoints = offsets(root, "recovery-point-offset-checkpoint");
    Map<TopicPartition, Long> logStarts = offsets(root, "log-start-offset-checkpoint");
    offsets(root, "replication-offset-checkpoint");

    KafkaScheduler scheduler = new KafkaScheduler(1);
    scheduler.startup();
    File[] directories = root.listFiles((dir, name) -> name.matches("[A-Za-z0-9._-]+-[0-9]+"));
    Arrays.sort(directories);
    for (File directory : directories) {
      TopicPartition partition = UnifiedLog.parseTopicPartitionName(directory);
      PartitionMetadataFile identity = new PartitionMetadataFile(PartitionMetadataFile.newFile(directory), FAILURES);
      System.out.println("topic-id " + partition + " " + identity.read().topicId());
      new LeaderEpochCheckpointFile(LeaderEpochCheckpointFile.newFile(directory), FAILURES).read()
          .forEach(entry -> System.out.println("epoch " + partition + " " + entry.epoch() + " " + entry.startOffset()));
      // As after a clean stop, and then as after a crash from the first byte on.
      open("clean", directory, logStarts.getOrDefault(partition, 0L), recoveryPoints.getOrDefault(partition, 0L), scheduler);
      open("recovered", directory, logStarts.getOrDefault(partition, 0L), 0L, scheduler);
    }
    scheduler.shutdown();
  }

  static Map<TopicPartition, Long> offsets(File root, String name) throws Exception {
    Map<TopicPartition, Long> read = new OffsetCheckpointFile(new File(root, name), FAILURES).read();
    Map<String, Long> sorted = new TreeMap<>();
    read.forEach((partition, offset) -> sorted.put(partition.toString(), offset));
    sorted.forEach((partition, offset) -> System.out.println(name + " " + partition + " " + offset));
    return read;
  }

  static void open(String how, File directory, long logStart, long recoveryPoint, KafkaScheduler scheduler) throws Exception {
    UnifiedLog log = UnifiedLog.create(directory, new LogConfig(Map.of()), logStart, recoveryPoint, scheduler,
        new BrokerTopicStats(), Time.SYSTEM, 900_000, new ProducerStateManagerConfig(86_400_000, false), 600_000, FAILURES,
        how.equals("clean"), Optional.empty());
    System.out.println(how + " " + log.topicPartition() + " start=" + log.logStartOffset() + " end=" + log.logEndOffset()
        + " epoch=" + log.latestEpoch().orElse(-1) + " segments=" + log.numberOfSegments()
        + " producers=" + log.activeProducers().size() + " bytes=" + log.size());
    log.close();
  }
}
