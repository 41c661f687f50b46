import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import java.util.List;

/** mongo-java-server on a port and a file of one's choice, as the MongoDB 5.0 that pymongo wants at least. */
public class Mongo {
    static final MongoVersion VERSION = new MongoVersion() {
        public List<Integer> getVersionArray() {
            return List.of(5, 0, 0, 0);
        }

        public int getWireVersion() {
            return 13;
        }
    };

    /** HOST PORT FILE */
    public static void main(String[] arguments) throws Exception {
        MongoServer server = new MongoServer(new H2Backend(arguments[2]).version(VERSION));
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        server.bind(arguments[0], Integer.parseInt(arguments[1]));
        Thread.currentThread().join();
    }
}
