// Prints when cron expressions fire: for each line of input a line with the next times in Unix seconds, or with nothing where the
// expression is refused. The first argument is the moment from which to look, in Unix seconds, the second how many times.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/robfig/cron"
)

func main() {
	after, err := strconv.ParseInt(os.Args[1], 10, 64)
	if err != nil {
		panic(err)
	}
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		schedule, err := cron.Parse(lines.Text())
		if err == nil {
			moment := time.Unix(after, 0).UTC()
			for range count {
				// The zero time where it never fires.
				moment = schedule.Next(moment)
				fmt.Print(moment.Unix(), " ")
			}
		}
		fmt.Println()
	}
}
