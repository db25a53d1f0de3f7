// Reads every view of fleet and fleet_asof with pgx, and looks a pod up by a uid as pgx binds it.
//
// Arguments: host, port, user, database, a uid. Prints a JSON object a line for each way of executing: what it read, what
// it could not.
package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const views = `select n.nspname || '.' || c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname in ('fleet', 'fleet_asof') and c.relkind = 'v' order by 1`
const lookUp = "select count(*) from fleet.pod where uid = "

type report struct {
	Driver string            `json:"driver"`
	Views  int               `json:"views"`
	Rows   int               `json:"rows"`
	Errors map[string]string `json:"errors"`
	Bound  map[string]any    `json:"bound"`
}

func main() {
	modes := []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	}
	for _, mode := range modes {
		made, err := read(context.Background(), mode)
		if err != nil {
			fmt.Fprintln(os.Stderr, mode, err)
			os.Exit(1)
		}
		line, _ := json.Marshal(made)
		fmt.Println(string(line))
	}
}

func read(ctx context.Context, mode pgx.QueryExecMode) (*report, error) {
	config, err := pgx.ParseConfig(fmt.Sprintf("postgres://%s@%s:%s/%s", os.Args[3], os.Args[1], os.Args[2], os.Args[4]))
	if err != nil {
		return nil, err
	}
	config.DefaultQueryExecMode = mode
	connection, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	defer connection.Close(ctx)
	rows, err := connection.Query(ctx, views)
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	made := &report{Driver: "pgx " + version() + " " + mode.String(), Views: len(names), Errors: map[string]string{}, Bound: map[string]any{}}
	for _, name := range names {
		found, err := everything(ctx, connection, name)
		if err != nil {
			made.Errors[name] = err.Error()
		}
		made.Rows += found
	}
	uid := os.Args[5]
	bytes, _ := hex.DecodeString(strings.ReplaceAll(uid, "-", ""))
	count := func(name, query string, parameter any) {
		var found int
		err := connection.QueryRow(ctx, lookUp+query, parameter).Scan(&found)
		var refused *pgconn.PgError
		switch {
		case errors.As(err, &refused):
			made.Bound[name] = refused.Code
		case err != nil:
			made.Bound[name] = err.Error()
		default:
			made.Bound[name] = found
		}
	}
	count("string", "$1", uid)
	count("[]string", "any($1)", []string{uid})
	count("[16]byte", "$1", [16]byte(bytes))
	count("string, cast", "$1::text::uuid", uid)
	return made, nil
}

// Scans each value into what the type map holds for it, a map's fields and an instant's time among them.
func everything(ctx context.Context, connection *pgx.Conn, view string) (int, error) {
	rows, err := connection.Query(ctx, "select * from "+view)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	found := 0
	for rows.Next() {
		targets := make([]any, len(rows.FieldDescriptions()))
		for i, field := range rows.FieldDescriptions() {
			known, ok := connection.TypeMap().TypeForOID(field.DataTypeOID)
			if !ok {
				return found, fmt.Errorf("%s: type %d is unknown", field.Name, field.DataTypeOID)
			}
			targets[i] = target(known.Name)
		}
		if err := rows.Scan(targets...); err != nil {
			return found, err
		}
		found++
	}
	return found, rows.Err()
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/jackc/pgx/v5" {
			return strings.TrimPrefix(module.Version, "v")
		}
	}
	return "of an unknown version"
}
