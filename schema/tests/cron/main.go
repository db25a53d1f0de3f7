// Prints when schedules are due next by the library that Kubernetes uses: a line "zone|instant|count|schedule" in, the
// instants in seconds out, "never" where there is none within five years, "refused" where the schedule cannot be read.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata"

	"github.com/robfig/cron/v3"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println(answer(strings.SplitN(lines.Text(), "|", 4)))
	}
}

func answer(asked []string) string {
	seconds, _ := strconv.ParseInt(asked[1], 10, 64)
	count, _ := strconv.Atoi(asked[2])
	// As the CronJob controller writes a time zone in front of the schedule.
	schedule, err := cron.ParseStandard("TZ=" + asked[0] + " " + asked[3])
	if err != nil {
		return "refused"
	}
	at := time.Unix(seconds, 0).UTC()
	var due []string
	for ; count > 0; count-- {
		at = schedule.Next(at)
		if at.IsZero() {
			due = append(due, "never")
			break
		}
		due = append(due, strconv.FormatInt(at.Unix(), 10))
	}
	return strings.Join(due, " ")
}
