import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Types;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.StringJoiner;
import java.util.UUID;

/**
 * Reads every view of fleet and fleet_asof with PostgreSQL JDBC, and looks a pod up by a uid as it is set.
 *
 * <p>Arguments: host, port, user, database, a uid. Prints a JSON object a line: what it read, what it could not.
 */
public class ReadViews {
    private static final String VIEWS =
        "select n.nspname || '.' || c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
            + " where n.nspname in ('fleet', 'fleet_asof') and c.relkind = 'v' order by 1";

    private static final String LOOK_UP = "select count(*) from fleet.pod where uid = ";

    private interface Setter {
        void set(PreparedStatement statement) throws SQLException;
    }

    public static void main(String[] arguments) throws SQLException {
        String url = "jdbc:postgresql://" + arguments[0] + ":" + arguments[1] + "/" + arguments[3] + "?user=" + arguments[2];
        String uid = arguments[4];
        read("", url, uid);
        read(" stringtype=unspecified", url + "&stringtype=unspecified", uid);
        read(" binaryTransfer", url + "&prepareThreshold=-1", uid);
    }

    private static void read(String how, String url, String uid) throws SQLException {
        try (Connection connection = DriverManager.getConnection(url)) {
            List<String> views = new ArrayList<>();
            try (ResultSet rows = connection.createStatement().executeQuery(VIEWS)) {
                while (rows.next()) {
                    views.add(rows.getString(1));
                }
            }
            long found = 0;
            StringJoiner errors = new StringJoiner(",", "{", "}");
            for (String view : views) {
                try {
                    found += everything(connection, view);
                } catch (SQLException error) {
                    errors.add(quoted(view) + ":" + quoted(String.valueOf(error.getMessage())));
                }
            }
            StringJoiner bound = new StringJoiner(",", "{", "}");
            bound.add(count(connection, "setString", "?", statement -> statement.setString(1, uid)));
            bound.add(count(connection, "setString, cast", "?::uuid", statement -> statement.setString(1, uid)));
            bound.add(count(connection, "setObject UUID", "?", statement -> statement.setObject(1, UUID.fromString(uid))));
            String version = connection.getMetaData().getDriverVersion();
            System.out.println("{\"driver\":" + quoted("PostgreSQL JDBC " + version + how) + ",\"views\":" + views.size()
                + ",\"rows\":" + found + ",\"errors\":" + errors + ",\"bound\":" + bound + "}");
        }
    }

    private static long everything(Connection connection, String view) throws SQLException {
        long found = 0;
        try (PreparedStatement statement = connection.prepareStatement("select * from " + view);
            ResultSet rows = statement.executeQuery()) {
            ResultSetMetaData columns = rows.getMetaData();
            while (rows.next()) {
                for (int column = 1; column <= columns.getColumnCount(); column++) {
                    rows.getObject(column);
                    if (columns.getColumnType(column) == Types.TIMESTAMP) {
                        OffsetDateTime instant = rows.getObject(column, OffsetDateTime.class);
                        if (instant != null && (instant.equals(OffsetDateTime.MAX) || instant.equals(OffsetDateTime.MIN))) {
                            throw new SQLException(columns.getColumnName(column) + " is " + instant);
                        }
                    }
                }
                found++;
            }
        }
        return found;
    }

    private static String count(Connection connection, String name, String placeholder, Setter setter) {
        try (PreparedStatement statement = connection.prepareStatement(LOOK_UP + placeholder)) {
            setter.set(statement);
            try (ResultSet rows = statement.executeQuery()) {
                rows.next();
                return quoted(name) + ":" + rows.getLong(1);
            }
        } catch (SQLException error) {
            return quoted(name) + ":" + quoted(error.getSQLState());
        }
    }

    private static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", " ") + '"';
    }
}
