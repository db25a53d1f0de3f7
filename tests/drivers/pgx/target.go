package main

import (
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// What a program would scan a column of this type into. NULL needs a pointer to a pointer.
func target(name string) any {
	switch name {
	case "timestamptz", "timestamp", "date":
		return new(*time.Time)
	case "text", "varchar", "name", "uuid", "char":
		return new(*string)
	case "int2", "int4", "int8":
		return new(*int64)
	case "float4", "float8":
		return new(*float64)
	case "bool":
		return new(*bool)
	case "_text":
		return new([]string)
	case "numeric":
		return new(pgtype.Numeric)
	case "interval":
		return new(pgtype.Interval)
	default:
		return new(any)
	}
}
