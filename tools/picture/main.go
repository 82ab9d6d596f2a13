// Command picture draws a picture that is written as text, once for light pages and once for dark ones:
//
//	picture assets/how-it-works.txt
//
// writes assets/how-it-works-light.svg and assets/how-it-works-dark.svg.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/bep/goat"
)

// ink is what lines and letters are drawn with. The page's own background shows through.
var ink = map[string]string{"light": "#1f2328", "dark": "#e6edf3"}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: picture text-file")
	}
	if err := draw(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func draw(file string) error {
	base, ok := strings.CutSuffix(file, ".txt")
	if !ok {
		return errors.New("the picture's text is in a .txt file, not in " + file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	picture := goat.BuildSVG(bytes.NewReader(text))
	for page, color := range ink {
		// Letters of 13 pixels are as wide as the cells that they are put into. With a viewBox the picture shrinks on a narrow
		// page instead of being cut off.
		svg := fmt.Sprintf("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' font-family='Menlo,Consolas,monospace' font-size='13px'>\n%s</svg>\n",
			picture.Width, picture.Height, strings.ReplaceAll(picture.Body, "currentColor", color))
		if err := os.WriteFile(base+"-"+page+".svg", []byte(svg), 0o644); err != nil {
			return err
		}
	}
	return nil
}
